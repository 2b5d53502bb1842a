package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// version is set by the linker: -X main.version=v1.2.3.
var version string //nolint:gochecknoglobals // the linker sets variables only

// build is the version of this binary: the linker's, else the module's, else the
// commit that it was built from.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if version != "" || !ok {
		return cmp.Or(version, "unknown")
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return "unknown"
	}
	return revision[:min(len(revision), 12)] + dirty
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, and those of the formats that this levada speaks",
		Example: "  levada version\n  levada version --json | jq -r .version",
		Args:    takes(),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printJSON(versions())
			}
			fmt.Fprintf(a.stdout, "levada %s\n", build())
			fmt.Fprintf(a.stdout, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
			fmt.Fprintf(a.stdout, "spec %s, blocks %s, ledger %d\n", pipeline.APIVersion, blocks.Version, ledger.Version)
			return nil
		},
	}
	bindJSON(cmd, &asJSON)
	return cmd
}
