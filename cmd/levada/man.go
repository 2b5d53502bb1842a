package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual. Releases have it in their archives.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write a manual page for each command into a directory",
		Long: `Writes a manual page for each command into DIR, which is made if it is absent, for man(1).
With $SOURCE_DATE_EPOCH, the pages have that date: the same levada writes the same bytes.`,
		Example:           "  levada man ~/.local/share/man/man1 && man levada-run",
		Args:              takes("DIR"),
		ValidArgsFunction: completeDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			at := time.Now()
			if text := a.getenv("SOURCE_DATE_EPOCH"); text != "" {
				seconds, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return usagef("$SOURCE_DATE_EPOCH: %q is no number of seconds", text)
				}
				at = time.Unix(seconds, 0)
			}
			at = at.UTC()
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // a manual is for everybody to read
				return environment(fmt.Errorf("make the directory of the manual: %w", err))
			}
			return writeManual(cmd.Root(), args[0], at)
		},
	}
}

// writeManual writes the pages of a command and of those below it.
func writeManual(cmd *cobra.Command, dir string, at time.Time) error {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writeManual(c, dir, at); err != nil {
			return err
		}
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	f, err := os.Create(filepath.Join(dir, name+".1"))
	if err != nil {
		return environment(err)
	}
	cmd.DisableAutoGenTag = true // it has a date of its own
	header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "Levada", Manual: "Levada", Date: &at}
	if err := doc.GenMan(cmd, header, f); err != nil {
		_ = f.Close() // the first error counts
		return fmt.Errorf("manual of %s: %w", cmd.CommandPath(), err)
	}
	return f.Close()
}
