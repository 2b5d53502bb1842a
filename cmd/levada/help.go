package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// helped adds the commands that cobra brings along, with an example each as all others have.
func helped(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Example = "  levada help run"
		case "completion":
			c.Example = "  source <(levada completion bash)"
			for _, shell := range c.Commands() {
				shell.Example = fmt.Sprintf("  levada completion %s > %s", shell.Name(), completionFile(shell.Name()))
			}
		}
	}
}

// completionFile is where a shell looks for what completes levada.
func completionFile(shell string) string {
	switch shell {
	case "bash":
		return "~/.local/share/bash-completion/completions/levada"
	case "zsh":
		return "\"${fpath[1]}/_levada\""
	case "fish":
		return "~/.config/fish/completions/levada.fish"
	default:
		return "levada.ps1"
	}
}
