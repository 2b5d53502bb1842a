// Package traffic adds up what passes between the stages of a run, by the headers of its
// blocks alone: rates, sizes, spans, and how long rows take from the source to a stage.
//
// All times are those of whoever listens. A row's latency is the time between the first
// sight of the source's block that holds it and the first sight of a stage's block that
// covers it, so clocks of other machines play no part. It holds the wait for room in the
// edges between, and the work.
package traffic
