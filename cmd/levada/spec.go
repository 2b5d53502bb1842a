package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/pipeline"
)

// readSpec reads a pipeline and makes its local paths absolute, so that it means the
// same wherever the services run. The text returned is what the spec says: the file
// as it is when all of its paths are absolute already.
func readSpec(file string) (*pipeline.Spec, string, error) {
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", usagef("%s: no such file", file)
	case err != nil:
		return nil, "", err
	}
	spec, err := pipeline.Parse(file, data)
	if err != nil {
		return nil, "", err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, "", environmentf("working directory: %w", err)
	}
	spec.Absolute(dir)
	text, err := absolute(data, dir)
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
			u.SetString(filepath.Join(dir, u.Value))
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
