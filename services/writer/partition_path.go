package writer

import (
	"strings"
	"unicode/utf8"
)

// nullPartition is the directory value of a null, as Hive, Spark, pyarrow and
// DuckDB read it. No other value may be spelled so.
const nullPartition = "__HIVE_DEFAULT_PARTITION__"

// maxPathSegment is the longest name of a directory, in bytes, on the file
// systems we know (NAME_MAX of ext4, XFS, APFS, NTFS).
const maxPathSegment = 255

// hiveSegment returns the directory name of one partition value, "country=PT".
//
// Readers decode %XX in both halves. Every ASCII byte that is not a letter, a
// digit or one of "-_.~" is encoded: that is what pyarrow writes and more than
// Spark demands, so no value can leave its directory. Text beyond ASCII stays as
// it is: pyarrow and DuckDB read it either way, but Spark decodes %XX to one
// character each and would make two of "é" out of its two bytes.
func hiveSegment(column, value string) string {
	b := make([]byte, 0, len(column)+len(value)+8)
	b = appendEscaped(b, column)
	b = append(b, '=')
	return string(appendEscaped(b, value))
}

func appendEscaped(b []byte, text string) []byte {
	for len(text) > 0 {
		c := text[0]
		if c < utf8.RuneSelf {
			if plainInPath(c) {
				b = append(b, c)
			} else {
				b = appendPercent(b, c)
			}
			text = text[1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 { // not UTF-8: no other spelling survives
			b = appendPercent(b, c)
		} else {
			b = append(b, text[:n]...)
		}
		text = text[n:]
	}
	return b
}

func appendPercent(b []byte, c byte) []byte {
	const hex = "0123456789ABCDEF"
	return append(b, '%', hex[c>>4], hex[c&15])
}

func plainInPath(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0
}
