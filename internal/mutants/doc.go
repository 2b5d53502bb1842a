// Command mutants checks that the rules of the protocol are tested: it takes a rule's
// line out of the code and expects the rule's test to fail.
//
//	go run ./internal/mutants [-rule REGEXP] [-jobs N] docs/protocol/mutants.tsv
//
// Each row of the table is one mutant, in six columns separated by tabs:
//
//	rule   name of the rule, and of the mutant
//	file   of the code, from the root of the module
//	old    text that stands in the file exactly once
//	new    text to put in its place
//	pkg    package of the test, such as ./pkg/ledger
//	test   regular expression of the tests, one of which must fail, as for go test -run
//
// In old and new, \n is a line end, \t a tab and \\ a backslash. A row whose rule is "+"
// is another change of the mutant above it, for a rule that is kept in two places; its
// pkg and test are empty. Empty lines and lines that begin with # are comments.
//
// The tree is not touched: go test -overlay sees the changed file in place of the real
// one. The tests must pass without the change, else their failure would prove nothing,
// and a mutant that does not compile is an error of the table. The exit code is 0 if
// every mutant was killed, 1 if one survived, 2 if the table is wrong.
package main
