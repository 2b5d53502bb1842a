package pages

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// maxWords bounds the dictionaries of strings whose values are counted: they are unpacked
// for that. Writers end a dictionary at about 1 MiB.
const maxWords = 4 << 20

// entries compares how many values a dictionary's header says that it has with its bytes.
func (w *Walker) entries() error {
	h := &w.h
	width := int64(w.c.Width)
	if w.c.Strings && h.values > h.unpacked/4 || width > 0 && (h.values > h.unpacked/width || h.values*width != h.unpacked) {
		return damaged("a dictionary that says that it has %d values has %d bytes", h.values, h.unpacked)
	}
	return nil
}

// counts reports that the values of the page are counted.
func (w *Walker) counts() bool {
	return w.c.Strings && w.h.kind == kindDict && w.h.unpacked <= maxWords && (w.c.Codec == codecNone || w.c.Codec == codecSnappy || w.c.Codec == codecZstd)
}

// checkWords counts the strings of a dictionary.
func (w *Walker) checkWords() error {
	words, err := w.unpacked()
	w.words = nil
	if err != nil || int64(len(words)) != w.h.unpacked {
		return damaged("its dictionary cannot be unpacked")
	}
	n := int64(0)
	for ; len(words) > 0; n++ {
		if len(words) < 4 || int64(binary.LittleEndian.Uint32(words)) > int64(len(words)-4) {
			return damaged("its dictionary ends within a value")
		}
		words = words[4+binary.LittleEndian.Uint32(words):]
	}
	if n != w.h.values {
		return damaged("a dictionary that says that it has %d values has %d", w.h.values, n)
	}
	return nil
}

// unpacked is the dictionary's values. No more is unpacked than its header says, which is
// what the codec says, where it says so.
func (w *Walker) unpacked() ([]byte, error) {
	switch w.c.Codec {
	case codecSnappy:
		return s2.Decode(make([]byte, w.h.unpacked), w.words)
	case codecZstd:
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxWords))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return d.DecodeAll(w.words, make([]byte, 0, w.h.unpacked))
	}
	return w.words, nil
}
