// Package telemetry is how a process shows itself: its logs, and an HTTP endpoint
// that says whether it lives, whether it is ready, and, when asked to, where its
// time goes.
//
//	/healthz       200 as long as the process serves
//	/readyz        200 when it can work; 503 and the reason otherwise
//	/debug/pprof/  the profiles of the Go runtime; only with [Options].Profile
//
// The endpoint has no access control: bind it to an address that only those who
// may look can reach. Logs and profiles hold no row values.
package telemetry
