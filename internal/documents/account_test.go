package documents

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every command that a document says to type is typed or checked by a test that CI runs, or
// has a reason for none.
func TestEveryCommandHasATestOrAReason(t *testing.T) {
	a, err := Accounted("../..")
	require.NoError(t, err)
	for line := range strings.Lines(a.String()) {
		t.Logf("counted: documents: %s", strings.TrimSpace(line))
	}
	require.Greater(t, len(a.Entries), 180)
}

func TestNewCommandsAreNoticed(t *testing.T) {
	for text, want := range map[string]string{
		"```sh\ncurl -s localhost:8222\n```":        "",
		"```sh\nsome-tool that nobody knows\n```":   "",
		"Say `duckdb -c 'SELECT 1'`.":               "",
		"Say `unheard-of --flag`.":                  "looks like a command",
		"```\nmake test\n```":                       "call the block sh",
		"```console\n$ make test\n```":              "is called sh here",
		"```sh\nfor x in 1 2; do make test\n```":    "not what a shell takes",
		"Say `docker compose up -d && docker ps`. ": "",
	} {
		commands, err := Commands([]Document{{Name: "x.md", Text: text}})
		if want != "" {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err, text)
		require.Len(t, commands, 1, text)
		for i, r := range rules {
			require.False(t, r.takes(commands[0], nil), "rule %d takes %s", i, commands[0])
		}
	}
}

func TestCommandsAreFound(t *testing.T) {
	page := Document{Name: "docs/x.md", Text: strings.Join([]string{
		"Type `make test N=3`, then `A=1 nats sub 'x.>'`; `run --dry-run` and `jq` and `a + b` and `not null`.", // 1
		"```yaml", "# make nothing", "```", // 4
		"```sh",
		"levada reader &  levada run x.yaml   # follows", // 6
		"for i in $(nats stream ls); do",
		"  nats stream backup \"$i\"",
		"done",
		"jq . x | b3sum",
		"```",
		"`levada tap RUN [STAGE]`",
	}, "\n")}
	file := Document{Name: "deployments/x.yml", Text: "# How it is used:\n#\n#   docker compose \\\n#     up -d\n#\n# docker is needed\na: 1\n"}
	commands, err := Commands([]Document{page, file})
	require.NoError(t, err)
	var got []string
	for _, c := range commands {
		var calls []string
		for _, call := range c.Calls {
			calls = append(calls, strings.Join(call, " "))
		}
		got = append(got, strings.Join([]string{string(c.Where), strings.SplitN(c.String(), ": ", 2)[0], strings.Join(calls, "; ")}, " "))
	}
	require.Equal(t, []string{
		"text docs/x.md:1 make test N=3",
		"text docs/x.md:1 nats sub x.>",
		"text docs/x.md:1 levada run --dry-run",
		"block docs/x.md:6 levada reader",
		"block docs/x.md:6 levada run x.yaml",
		"block docs/x.md:7 nats stream ls; nats stream backup $i",
		"block docs/x.md:10 jq . x; b3sum",
		"text docs/x.md:12 levada tap RUN STAGE",
		"comment deployments/x.yml:3 docker compose up -d",
	}, got)
}
