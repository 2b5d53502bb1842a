// Package operatortest is the conformance suite of operators: what package operator's
// interface promises, as tests that any implementation can run.
package operatortest
