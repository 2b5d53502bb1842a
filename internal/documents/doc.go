// Package documents finds the commands that the documents of this repository tell their
// readers to type, and keeps the account of them: which test types or checks each.
//
//	all, err := documents.Read("../..")         // every Markdown file, and the heads of the YAML files
//	commands, err := documents.Commands(all)    // in blocks of shell, in the text, in comments
//	mine, err := documents.For(all, documents.Kubernetes)
//
// Each command belongs to one Step, by the table in account.go. The tests of a step take
// their commands from here, never copies of them, and fail for one that they do not know.
// A command that the table does not know is an error of Account, so that a new command in a
// document has a test or a reason for none.
package documents
