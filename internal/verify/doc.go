// Package verify holds an output against its manifests: that the files that they name are
// there and are those bytes, that they have the rows that are said, that the spans of the
// source add up, that the books balance, and that no other file is among them.
package verify
