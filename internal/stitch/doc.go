// Package stitch puts Parquet files together from parts of other ones, so that a job
// decodes only the columns that it changes. A column of a row group is either copied
// byte for byte from its source file, or gathered from it page by page where some of the
// rows are kept, or encoded from Arrow arrays as internal/parquet encodes them.
//
// A [Layout] is what the files look like: the schema, as internal/parquet writes it, and
// the codec. [Layout.Passes] and [Layout.Gathers] say whether a column of a [Source] may
// be taken over; one that may not is decoded and encoded by the caller. A [Writer] puts
// the row groups into the file.
//
// Sources are not trusted: ranges, counts and sizes are checked before anything is
// allocated, and no panic leaves the package. What a source's bytes mean is trusted as
// any reader would trust it: a copied page is not looked into.
package stitch
