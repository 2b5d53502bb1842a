// Package storage is the small seam between Levada and where files are: stat,
// ranged read, list, put if absent, staged (invisible) files, delete. An adapter is
// one file; this package has the one for local directories. What every adapter must
// do is the conformance suite in package storagetest.
package storage
