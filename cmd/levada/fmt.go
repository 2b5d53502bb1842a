package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/pipeline"
)

func (a *app) fmtCommand() *cobra.Command {
	var check, show bool
	cmd := &cobra.Command{
		Use:   "fmt FILE...",
		Short: "Write pipelines and test files in the one form",
		Long: `Rewrites files with two spaces a level, { a: b } and [a, b] with one space, comments
beside neighbouring lines aligned, and at most one empty line. What they say, their
order, quotes and comments stay; a file in which a comment would be lost is left as it
is, and named. The names of files that change are printed. FILE - reads standard input
and writes standard output.`,
		Example: `  levada fmt pipelines/*.yaml
  levada fmt --check pipelines/*.yaml
  levada fmt -d pipeline.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("FILE is missing")
			}
			return nil
		},

		ValidArgsFunction: completeFiles("yaml", "yml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			changed := false
			for _, file := range args {
				c, err := a.formatFile(file, cmd.InOrStdin(), check, show)
				if err != nil {
					return err
				}
				changed = changed || c
			}
			if changed && check {
				return errTold
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; the exit code is 1 when a file would change")
	cmd.Flags().BoolVarP(&show, "diff", "d", false, "change nothing; print what would change")
	return cmd
}

// formatFile formats one file and reports whether that changes it. check and show leave it as
// it is.
func (a *app) formatFile(file string, stdin io.Reader, check, show bool) (bool, error) {
	var (
		data []byte
		err  error
	)
	name := file
	if file == "-" {
		name = "stdin"
		data, err = io.ReadAll(stdin)
	} else {
		data, err = readFile(file)
	}
	if err != nil {
		return false, err
	}
	out, err := pipeline.Format(name, data)
	if err != nil {
		return false, err
	}
	changed := !bytes.Equal(data, out)
	switch {
	case changed && show:
		_, err = a.stdout.Write(diff.Diff(name, data, name+" (formatted)", out))
	case file == "-" && !check && !show:
		_, err = a.stdout.Write(out)
	case changed:
		if _, err = io.WriteString(a.stdout, name+"\n"); err == nil && !check {
			err = replaceFile(file, out)
		}
	}
	return changed, err
}

// replaceFile writes a file at once: whoever reads it, or a process that is killed, finds the old
// or the new text.
func replaceFile(file string, data []byte) (err error) {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".levada-fmt-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
