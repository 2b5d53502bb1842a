package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// errTold ends a command whose output has said already what is wrong: with exit code 1 and
// no more words.
var errTold = &codeError{exitFailed, errors.New("see above")}

// bindJSON is how every command that prints facts prints them for programs, in the shapes
// of docs/json.md.
func bindJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON (docs/json.md)")
}
