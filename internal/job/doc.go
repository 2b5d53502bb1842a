// Package job turns a run's record and its standing plan back into the compiled
// pipeline, the same in every process: what the spec says, over the schema that
// the planner saw.
package job
