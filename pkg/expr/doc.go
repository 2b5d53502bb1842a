// Package expr compiles expressions in CEL's syntax and evaluates them over
// Arrow record batches, a column at a time.
package expr
