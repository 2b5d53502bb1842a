// Package transform is the role that runs a pipeline's operators: blocks of one
// edge in, blocks of the next edge out.
//
//	edge ─► flow.Stage ─► operator.Chain ─┬─► rows that go on ─► edge
//	                          │           └─► rows that failed ─► dead letters
//	                          └ panic or error: bisect to the rows that fail
//
// One process serves every transform stage of every active run; more processes
// share the blocks of each stage at once. A stage holds no state: a block may be
// processed any number of times, and always gives the same rows.
package transform
