package stitch

import (
	"bytes"
	"fmt"
)

// Sums counts the pages of a file that have a checksum and those that have none. The
// error says where one is wrong.
func Sums(data []byte) (with, without int, err error) {
	s, err := OpenSource("summed", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return 0, 0, err
	}
	for g := range s.meta.groups {
		for l, c := range s.meta.groups[g].chunks {
			sp := c.span()
			for rest := data[sp.at:sp.end()]; len(rest) > 0; {
				has := false
				(&decoder{b: rest}).fieldsOf(func(id int16) { has = has || id == 4 })
				_, old, body, err := summedPage(rest)
				if err != nil {
					return 0, 0, fmt.Errorf("row group %d, column %v: %w", g, s.meta.leaves[l].path, err)
				}
				rest = rest[old+len(body):]
				if has {
					with++
				} else {
					without++
				}
			}
		}
	}
	return with, without, nil
}

// fieldsOf calls f for the fields of a struct.
func (d *decoder) fieldsOf(f func(id int16)) {
	d.fields(func(id int16, typ byte) {
		f(id)
		d.skip(typ)
	})
}

// PageBytes returns where the bytes of the first data page of a column begin.
func PageBytes(data []byte, column int) int64 {
	s, err := OpenSource("summed", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		panic(err)
	}
	c := s.meta.groups[0].chunks[column]
	d := &decoder{b: data[c.dataPage:]}
	d.pageHeader()
	return c.dataPage + int64(d.at)
}
