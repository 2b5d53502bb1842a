// Package operator is what a stage does to a record batch: the interface, the
// operators select, drop, rename, filter, with and mask, and the chain that runs
// them. It knows Arrow and nothing else.
//
// An operator is a pure function of rows. Processed twice, the same rows give the
// same rows, the same drops and the same failures; the exactly-once protocol
// rests on that. The conformance suite is in package operatortest.
package operator
