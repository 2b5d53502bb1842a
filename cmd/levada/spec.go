package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/pipeline"
)

// bindSet adds the flag that gives values to the variables of a spec.
func (a *app) bindSet(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&a.set, "set", nil, "give a variable of the pipeline a value, NAME=VALUE; outdoes the environment; once for each")
}

// vars are the values of variables: those of --set, else those of the environment.
func (a *app) vars() (*pipeline.Vars, error) {
	v := &pipeline.Vars{Set: map[string]string{}, Env: func(name string) (string, bool) {
		val := a.getenv(name)
		return val, val != ""
	}}
	for _, s := range a.set {
		name, val, ok := strings.Cut(s, "=")
		if _, twice := v.Set[name]; !ok || name == "" || twice {
			return nil, usagef("--set %s: write NAME=VALUE, once for each name", name)
		}
		v.Set[name] = val
	}
	return v, nil
}

// readFile reads a file that the user has named.
func readFile(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("%s: no such file", file)
	}
	if errors.Is(err, syscall.EISDIR) {
		return nil, usagef("%s is a directory: name the file in it", file)
	}
	return data, err
}

// draftSpec reads a pipeline that may be wrong, and makes its local paths absolute.
func (a *app) draftSpec(file string) (pipeline.Drafted, error) {
	vars, err := a.vars()
	if err != nil {
		return pipeline.Drafted{}, err
	}
	data, err := readFile(file)
	if err != nil {
		return pipeline.Drafted{}, err
	}
	d := pipeline.Draft(file, data, vars)
	if d.Spec != nil {
		dir, err := os.Getwd()
		if err != nil {
			return pipeline.Drafted{}, environmentf("working directory: %w", err)
		}
		d.Spec.Absolute(dir)
	}
	return d, nil
}

// readSpec reads a pipeline and makes its local paths absolute, so that it means the
// same wherever the services run. The text returned is what the spec says: the file
// as it is when all of its paths are absolute already and it has no variables.
func (a *app) readSpec(file string) (*pipeline.Spec, string, error) {
	d, err := a.draftSpec(file)
	if err != nil {
		return nil, "", err
	}
	if len(d.Errs) > 0 {
		return nil, "", d.Errs
	}
	spec := d.Spec
	dir, err := os.Getwd()
	if err != nil {
		return nil, "", environmentf("working directory: %w", err)
	}
	text, err := absolute(d.Text, dir)
	if err != nil {
		return nil, "", fmt.Errorf("%s: make paths absolute: %w", file, err)
	}
	again, err := pipeline.Parse(file, text)
	if err != nil {
		return nil, "", err
	}
	if again.Hash() != spec.Hash() {
		return nil, "", usagef("%s: its paths cannot be made absolute: write them absolute", file)
	}
	return spec, string(text), nil
}

// absolute rewrites the local paths of a spec's text.
func absolute(data []byte, dir string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return data, nil
	}
	changed := false
	for _, path := range [][]string{{"source", "parquet", "uri"}, {"sink", "parquet", "uri"}} {
		n := field(doc.Content[0], path...)
		if n == nil {
			continue
		}
		uris := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			uris = n.Content
		}
		for _, u := range uris {
			if u.Kind != yaml.ScalarNode || strings.Contains(u.Value, "://") || filepath.IsAbs(u.Value) {
				continue
			}
			if path[0] == "source" {
				u.SetString(pipeline.Beneath(dir, u.Value))
			} else {
				u.SetString(filepath.Join(dir, u.Value))
			}
			changed = true
		}
	}
	if !changed {
		return data, nil
	}
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	return buf.Bytes(), enc.Close()
}

// field returns the value at a path of keys, or nil.
func field(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		if n.Kind != yaml.MappingNode {
			return nil
		}
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}
