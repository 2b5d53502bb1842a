package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helped adds the commands that cobra brings along, with an example each as all others have.
func helped(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Example = "  levada help run"
			c.Args = func(cmd *cobra.Command, args []string) error {
				if found, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 && found != nil {
					return fmt.Errorf("there is no command %q", strings.Join(args, " "))
				}
				return nil
			}
		case "completion":
			c.Example = "  source <(levada completion bash)"
			c.Args = cobra.ArbitraryArgs // RunE says which there are
			c.RunE = func(cmd *cobra.Command, args []string) error {
				if len(args) == 0 {
					return cmd.Help()
				}
				var shells []string
				for _, shell := range cmd.Commands() {
					shells = append(shells, shell.Name())
				}
				return usagef("there is no completion for %q: there is one for %s", args[0], strings.Join(shells, ", "))
			}
			for _, shell := range c.Commands() {
				shell.Example = fmt.Sprintf("  levada completion %s > %s", shell.Name(), completionFile(shell.Name()))
			}
		}
	}
}

// flagError puts what is wrong with the value of a flag in our words: the library's are
// those of the function that reads numbers.
func flagError(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	var want string
	switch kind := bad.GetFlag().Value.Type(); {
	case errors.Is(err, strconv.ErrRange):
		want = "too large a number"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		want = "not a whole number"
	case strings.HasPrefix(kind, "float"):
		want = "not a number"
	case kind == "duration":
		want = "not a duration: write 30s or 5m, for example"
	case kind == "bool":
		want = "write true or false"
	default:
		return err
	}
	return fmt.Errorf("--%s %q: %s", bad.GetFlag().Name, bad.GetValue(), want)
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
