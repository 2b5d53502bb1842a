// Package pipeline is the spec: YAML in, a checked and compiled pipeline out.
//
//	Parse ─► Spec (places kept) ─► Compile(source schema) ─► Pipeline: operators, schemas, what can be pruned
//	                                                           └► Explain
//
// Everything that is wrong is reported at once, each with file, line, column and
// what to do. A pipeline that compiles does not fail later for its spec: schemas
// are inferred through every operator.
//
// Paths in a spec are relative to the working directory of the process that
// submits it; see [Spec.Absolute].
package pipeline
