// Package rows shows the rows of record batches to a person or to another program: as a
// table, as JSON or CSV lines, or as an Arrow stream.
package rows
