package sink_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/sink"
)

// docs/manifest.md is the form of a manifest: it names every field that one may have.
func TestTheFormIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/manifest.md")
	require.NoError(t, err)
	seen := 0
	for _, v := range []any{sink.Manifest{}, sink.Manifest{}.Books, sink.Column{}, sink.Source{}, sink.File{}, sink.Lineage{}, sink.Dead{}, sink.Lock{}, sink.Claim{}} {
		for f := range fields(reflect.TypeOf(v)) {
			seen++
			if !strings.Contains(string(text), "`"+f+"`") && !strings.Contains(string(text), `"`+f+`"`) {
				t.Errorf("field %q of %T is not described", f, v)
			}
		}
	}
	require.Greater(t, seen, 40)
}

func fields(t reflect.Type) map[string]bool {
	all := map[string]bool{}
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			all[name] = true
		}
	}
	return all
}
