package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// packed is one file of an archive.
type packed struct {
	name string // in the archive
	from string // in the file system
	mode int64
}

// pack writes a platform's archive: one directory, with the files in the order of their
// names.
func (r *release) pack(p platform, program string, beside []packed, at time.Time) error {
	files := slices.Concat([]packed{{"LICENSE", "LICENSE", 0o644}, {"README.md", "README.md", 0o644}, {"levada", program, 0o755}}, beside)
	slices.SortFunc(files, func(a, b packed) int { return strings.Compare(a.name, b.name) })
	f, err := os.Create(r.archive(p))
	if err != nil {
		return err
	}
	return errors.Join(writeArchive(f, r.name(p)+"/", files, at), f.Close())
}

// writeArchive writes a compressed archive that depends on nothing but its arguments.
func writeArchive(w io.Writer, dir string, files []packed, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression) // without a name and a time
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	head := func(name string, kind byte, mode, size int64) *tar.Header {
		return &tar.Header{Typeflag: kind, Name: name, Mode: mode, Size: size, ModTime: at, Format: tar.FormatUSTAR} // owner 0
	}
	if err := t.WriteHeader(head(dir, tar.TypeDir, 0o755, 0)); err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file.from)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(head(dir+file.name, tar.TypeReg, file.mode, int64(len(data)))); err != nil {
			return err
		}
		if _, err := t.Write(data); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}
