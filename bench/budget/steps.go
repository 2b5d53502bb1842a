package main

import (
	"regexp"
	"strings"
)

// steps are what a block's way is made of, in its order, by the functions that do them. The
// innermost function of a stack that is named here decides, and of several names for one
// function the first. What is allocated counts for the step that does it; what the
// collector does in the background is a step of its own.
var steps = []struct {
	name string
	of   *regexp.Regexp
}{
	{"read", functions(`internal/stitch\.readAt`, `internal/storage.*\.ReadAt`, `internal/parquet.*\.ReadAt`)},
	{"decode", functions(`internal/stitch\.\(\*Decoder\)`, `internal/parquet\.\(\*File\)\.ReadRowGroups`, `services/reader\.\(\*flatReader\)`)},
	{"filter", functions(`pkg/operator\.\(\*filter\)`, `arrow/compute`)}, // arrow takes columns in goroutines of its own
	{"compute", functions(`pkg/operator\.\(\*with\)`, `pkg/expr\.\(\*Program\)`)},
	{"mask", functions(`pkg/operator\.\(\*mask\)`)},
	{"other operators", functions(`pkg/operator\.\(\*Chain\)`)},
	{"encode IPC", functions(`pkg/blocks\.Encode`, `pkg/blocks\.\(\*?[Ee]ncoder\)`)},
	{"decode IPC", functions(`pkg/blocks\.Decode`, `pkg/blocks\.\(\*?[Dd]ecoder\)`)},
	{"store", functions(`nats-server/v2/server\.\(\*fileStore\)`, `nats-server/v2/server\.\(\*msgBlock\)`, `nats-server/v2/server\.\(\*stream\)`, `nats-server/v2/server\.\(\*memStore\)`)},
	{"deliver", functions(`nats-server/v2/server\.`)},
	{"publish and fetch", functions(`nats-io/nats(\.|%2e)go`, `pkg/flow\.\(\*Publisher\)`, `pkg/flow\.\(\*Input\)`)},
	{"gather", functions(`internal/stitch\.\(\*gatherer\)`)},
	{"encode Parquet", functions(`internal/stitch\.\(\*Writer\)\.encode`, `internal/parquet\.\(\*Writer\)`)},
	{"hash files", functions(`zeebo/blake3`)},
	{"write", functions(`internal/sink\.`)},
	{"copy", functions(`internal/stitch\.\(\*Writer\)\.copy`)},
	{"books and commits", functions(`pkg/ledger\.`, `pkg/flow\.`, `services/writer\.`, `services/reader\.`)},
	{"collector", functions(`runtime\.gcBgMarkWorker`, `runtime\.bgsweep`, `runtime\.bgscavenge`)},
	{"the profile itself", functions(`runtime/trace\.`, `runtime\.traceAdvance`, `runtime/pprof\.`)},
	{"scheduler", functions(`runtime\.mcall`, `runtime\.mstart`, `runtime\.park_m`, `runtime\.sysmon`)},
}

// functions matches functions by any of some patterns.
func functions(patterns ...string) *regexp.Regexp {
	return regexp.MustCompile(strings.Join(patterns, "|"))
}
