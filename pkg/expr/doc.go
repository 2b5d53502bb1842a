// Package expr compiles expressions in CEL's syntax and evaluates them over
// Arrow record batches, whole columns at a time.
//
//	p, err := expr.Compile("amount > 20.0 && country in ['PT', 'ES']", schema)
//	...
//	keep, failed, err := p.Eval(ctx, mem, batch)
//	defer keep.Release()
//
// CEL's parser reads the expression. Its names are found in the schema (syntax.go), its
// parts typed by the operators and functions of our own (functions.go), for nulls and
// numbers that meet as in SQL are not CEL's; CEL's checker and evaluator have no part in it.
// The syntax tree becomes a tree of nodes that hand vectors of 1024 rows to each other:
// large enough that a node's overhead vanishes, small enough that the vectors stay in the
// cache. A column of a type the language works in is not copied, a constant is not spread
// over a column where a loop with a constant exists, and nulls and truth values are
// handled 64 rows at a time.
//
// Structs, lists and maps are looked into by accesses (access.go). What
// depends on a row's place in the source (rows.go) is told the place by the context, with
// [WithRows].
//
// # Guarantees
//
//   - Compile refuses with Errors, all there are at once, of which each says where, what,
//     and what to do. It bounds the length and the depth of what it reads, and does not
//     panic.
//   - Null in, null out, with the three-valued logic of SQL; an int meets a
//     double as a double; / divides doubles.
//   - What has no value in a row (overflow, division by zero, a failing cast) is
//     a RowError of that row, never a wrong value and never the end of the batch.
//     An operation fails only in rows in which it is needed, and in which its
//     operands are not null: see node.
//   - A value of a row stands in no error.
//   - The result depends on the values, and for rowNumber and uuid on the rows' place in
//     the source, only: not on where a batch is sliced, what
//     lies under its nulls, or what was evaluated before.
//   - Memory is bounded: a few vectors for each evaluation under way, the result,
//     and at most 64 MiB of text for the chunk at work.
//
// docs/expressions.md describes the language. It is made of the same table as
// the language itself; to add a function, add an entry there.
//
// A batch whose offsets or dictionary indices lie makes Eval panic, as it makes
// the accessors of arrow/array panic; the caller who cannot exclude that
// recovers. The program can be used on.
package expr
