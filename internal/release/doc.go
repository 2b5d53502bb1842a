// Command release makes and checks what a release consists of.
//
//	release build -version V DIR     programs for four platforms, packed, with a list of their parts
//	release sums DIR                 SHA256SUMS of all that is in the directory
//	release check -version V DIR     that it is whole, and what it says it is
//
// Of each platform there are two files: levada-V-OS-ARCH.tar.gz with the program, README,
// LICENSE, pages for man and completions for shells, and levada-V-OS-ARCH.cdx.json, a CycloneDX list of the modules that are
// linked into the program.
//
// The same commit gives the same bytes, wherever and whenever it is built with the same
// version of Go: paths are trimmed, nothing of the repository's state is stamped in but
// the version, entries of an archive have a fixed order, the commit's time and no owner,
// and the lists carry neither time nor serial number.
package main
