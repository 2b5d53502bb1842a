package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/internal/verify"
)

// verifyFlags say what to check.
type verifyFlags struct {
	run    string
	quick  bool
	quiet  bool
	asJSON bool
}

func (a *app) verifyCommand() *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check an output against its manifests: files, hashes, rows, spans, books",
		Long: `Checks the output of runs against the manifests that they have left in DIR/_levada, without
a server: that every file is there and is, by its hash, the one that was written, that it has
the rows and columns that are said, that the spans of the source add up and no row of it is
in the files of two commits, and that the books balance. Files that are missing, or that no
manifest names, are named. DIR is a directory or s3://bucket/prefix.

Exits with 0 when everything is as the manifests say, with 1 when something is not, and with
2 or 3 when it could not be checked.`,
		Example: `  levada verify data/out/customers
  levada verify s3://bucket/customers/ --quick
  levada verify data/out/customers --json | jq -r '.problems[].file'`,
		Args:              takes("DIR"),
		ValidArgsFunction: completeDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.verify(cmd.Context(), args[0], flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.run, "run", "", "check this run only, and look for no other files; an id, or its beginning or end")
	completeWith(cmd, "run", a.completeManifest)
	f.BoolVar(&flags.quick, "quick", false, "leave the hashes out: read lengths and footers only")
	f.BoolVar(&flags.quiet, "no-progress", false, "show no progress")
	bindJSON(cmd, &flags.asJSON)
	return cmd
}

func (a *app) verify(ctx context.Context, uri string, flags verifyFlags) error {
	if err := isOutput(uri); err != nil {
		return err
	}
	o := verify.Options{Quick: flags.quick}
	if flags.run != "" {
		_, m, err := a.manifestOf(ctx, uri, flags.run)
		if err != nil {
			return asUsage(ctx, err)
		}
		o.Run = m.Run
	}
	var (
		begin sync.Once
		count func(rows int64)
	)
	o.Seen = func(rows, all int64) {
		begin.Do(func() { count = a.counted("verify", all) })
		count(rows)
	}
	r, err := verify.Output(ctx, uri, o)
	a.screen.Close()
	if err != nil {
		return asUsage(ctx, err)
	}
	if flags.asJSON {
		err = a.printJSON(r)
	} else {
		report.Verified(a.stdout, r)
	}
	if err != nil || r.OK {
		return err
	}
	return errTold
}

// isOutput refuses a file where the directory of an output is meant.
func isOutput(uri string) error {
	path := strings.TrimPrefix(uri, "file://")
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return usagef("%s is a file: name the directory that a run has written into; for a file there is 'levada inspect'", uri)
	}
	return nil
}

// manifestFlags say which manifest to show, and how.
type manifestFlags struct {
	run    string
	files  bool
	asJSON bool
}

func (a *app) manifestCommand() *cobra.Command {
	var flags manifestFlags
	cmd := &cobra.Command{
		Use:   "manifest DIR",
		Short: "Show what a run says its output is",
		Long: `Shows the manifest that a run has left in DIR/_levada: how it ended, its books, its columns,
what it was made of, and its files; that of the last run, or of the one that --run names.
Form and meaning are in docs/manifest.md. DIR is a directory or s3://bucket/prefix.

With --files it prints nothing but the locations of the files, one a line, of a run that is
done: all or nothing of it. With --json, the manifest as it stands.`,
		Example: `  levada manifest data/out/customers
  levada manifest data/out/customers --files | xargs -d '\n' ls -l
  levada manifest s3://bucket/customers/ --json | jq .books`,
		Args:              takes("DIR"),
		ValidArgsFunction: completeDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.manifest(cmd.Context(), args[0], flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.run, "run", "", "the manifest of this run: an id, or its beginning or end (default the last one)")
	completeWith(cmd, "run", a.completeManifest)
	f.BoolVar(&flags.files, "files", false, "print only the locations of the files")
	bindJSON(cmd, &flags.asJSON)
	return cmd
}

func (a *app) manifest(ctx context.Context, uri string, flags manifestFlags) error {
	if flags.asJSON && flags.files {
		return usagef("--json and --files: choose one")
	}
	if err := isOutput(uri); err != nil {
		return err
	}
	out, m, err := a.manifestOf(ctx, uri, flags.run)
	switch {
	case err != nil:
		return asUsage(ctx, err)
	case flags.asJSON:
		return out.CopyManifest(ctx, m.Run, a.stdout)
	case flags.files && m.Status != sink.StatusDone:
		return fmt.Errorf("run %s %s: its files are not the whole output", m.Run, m.Status)
	case flags.files:
		for i := range m.Files {
			fmt.Fprintf(a.stdout, "%s/%s\n", strings.TrimSuffix(out.Bucket.URI(), "/"), m.Files[i].Name)
		}
		return nil
	}
	report.Manifest(a.stdout, out, m)
	return nil
}

// manifestOf returns the manifest of a run at a location, named by its id or a part of it;
// that of the last one when name is "".
func (a *app) manifestOf(ctx context.Context, uri, name string) (*sink.Output, *sink.Manifest, error) {
	out, err := sink.Outputs(ctx, uri, storage.S3Options{})
	if out == nil {
		return nil, nil, err
	}
	if len(out.Manifests) == 0 {
		return nil, nil, cmp.Or(err, fmt.Errorf("%s: %w", out.Bucket.URI(), verify.ErrNothing))
	}
	if err != nil {
		a.note("%v", err)
	}
	if name == "" {
		return out, out.Manifests[len(out.Manifests)-1], nil
	}
	var ids []string
	for _, m := range out.Manifests {
		ids = append(ids, m.Run)
	}
	id, err := home.Resolve(name, ids)
	if err != nil {
		unknown := (*home.UnknownRunError)(nil)
		if errors.As(err, &unknown) && len(unknown.Many) == 0 {
			err = fmt.Errorf("%s: no manifest of run %q: there are those of %s", out.Bucket.URI(), name, strings.Join(ids, ", "))
		}
		return nil, nil, err
	}
	return out, out.Manifests[slices.Index(ids, id)], nil
}
