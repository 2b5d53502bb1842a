package documents

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
)

// Document is a text that people read.
type Document struct {
	Name string // its path from the root of the repository, with slashes
	Text string
}

// Markdown reports whether d is a page, rather than a file whose comments say what to type.
func (d Document) Markdown() bool { return strings.HasSuffix(d.Name, ".md") }

// Block is a fenced block of a page.
type Block struct {
	Document string
	Language string // "" for none
	Line     int    // of its first line, from 1
	Text     string // without the fences
}

// Read reads the documents below the root of the repository: every page, and the files for
// Docker, Kubernetes, Levada and Python whose comments say how they are used.
func Read(root string) ([]Document, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // it was only read
	var all []Document
	err = fs.WalkDir(dir.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipped(name):
			return fs.SkipDir
		case d.IsDir() || !isDocument(name):
			return nil
		}
		text, err := fs.ReadFile(dir.FS(), name)
		if err != nil {
			return err
		}
		all = append(all, Document{Name: name, Text: string(text)})
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("no document below %s", root)
	}
	return all, err
}

// skipped reports that a directory has nothing to read: what is built or generated, and what
// tests keep.
func skipped(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, ".") || base == "testdata" || name == "data" || name == "dist" || name == "bin"
}

func isDocument(name string) bool {
	switch path.Ext(name) {
	case ".md":
		return true
	case ".py":
		return strings.HasPrefix(name, "examples/")
	case ".yml", ".yaml", ".sh":
		return name == "docker-compose.yml" || strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "deployments/")
	}
	return name == "Dockerfile"
}

var fence = regexp.MustCompile("^ *```([a-z]*)$")

// Blocks are the fenced blocks of a page.
func (d Document) Blocks() []Block {
	blocks, _ := d.split()
	return blocks
}

// split returns the blocks, and the lines of the page with those of blocks empty.
func (d Document) split() (blocks []Block, text []string) {
	var open *Block
	for i, line := range strings.Split(d.Text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && open == nil:
			open = &Block{Document: d.Name, Language: m[1], Line: i + 2}
		case m != nil:
			open.Text = strings.TrimSuffix(open.Text, "\n")
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.Text += line + "\n"
		default:
			text = append(text, line)
			continue
		}
		text = append(text, "")
	}
	return blocks, text
}

// In returns the blocks of one language in the document of that name.
func In(all []Document, name, language string) []Block {
	var some []Block
	for _, d := range all {
		if d.Name != name {
			continue
		}
		for _, b := range d.Blocks() {
			if b.Language == language {
				some = append(some, b)
			}
		}
	}
	return some
}
