package expr

import (
	"encoding/hex"
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textFunctions are the functions that make texts of texts, beyond those of
// strings.go, which have loops of their own.
func textFunctions() []function {
	text, long := []kind{kindString}, []error{ErrTooLong}
	texts := func(n int) []kind { return []kind{kindString, kindString, kindString, kindString}[:n] }
	const tooLong = "when the text grows beyond 8 MiB"
	side := func(name, where string, cut func(s string) string, examples ...example) function {
		return function{
			name: name, form: name + "(a)", in: inText, method: true,
			doc:        "Without the white space at the " + where + ", by Unicode.",
			signatures: []signature{{args: text, result: kindString, kernel: mapStrings(func(_ *frame, s string) string { return cut(s) })}},
			examples:   examples,
			slow:       copied,
		}
	}
	pad := func(name, where string, start bool, examples ...example) function {
		return function{
			name: name, form: name + "(a, n, fill)", in: inText, method: true,
			doc:   "Filled up " + where + " to n characters with fill, again and again; without fill, with spaces. A longer text, and any with an empty fill, stays as it is.",
			fails: tooLong,
			signatures: []signature{
				{args: []kind{kindString, kindInt}, result: kindString, kernel: padKernel(start), errs: long},
				{args: []kind{kindString, kindInt, kindString}, result: kindString, kernel: padKernel(start), errs: long},
			},
			examples: examples,
		}
	}
	return []function{
		side("trimStart", "start", func(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }, example{`trimStart("  a ")`, `"a "`}),
		side("trimEnd", "end", func(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }, example{`trimEnd("  a ")`, `"  a"`}),
		{
			name: "concat", form: "concat(a, b, ...)", in: inText, folds: true, doc: "The texts joined, as with +.", fails: tooLong,
			signatures: []signature{{args: texts(2), result: kindString, kernel: concat, scalars: true, errs: long}},
			examples:   []example{{`concat(country, "/", email)`, `"PT/ana@example.org"`}, {"concat(country, note)", "null"}},
		},
		{
			name: "replace", form: "replace(a, old, new)", in: inText, method: true,
			doc: "With new in every place of old, from left to right. An empty old is nowhere.", fails: tooLong,
			signatures: []signature{{args: texts(3), result: kindString, kernel: textKernel(replaceText), errs: long}},
			examples:   []example{{`email.replace("example", "levada")`, `"ana@levada.org"`}},
		},
		{
			name: "replaceMatches", form: "replaceMatches(a, pattern, new)", in: inText, method: true,
			doc:        "With new in every place in which the regular expression (RE2 syntax, a constant) matches; $1 or ${1} in new stands for what its first group has matched, $$ for a dollar.",
			fails:      tooLong,
			signatures: []signature{{args: texts(3), result: kindString, prepare: preparePattern(replaceMatches), errs: long}},
			examples:   []example{{`replaceMatches(email, "(.*)@.*", "${1}@x")`, `"ana@x"`}},
		},
		{
			name: "extract", form: "extract(a, pattern)", in: inText, method: true,
			doc:        "What the first group of the regular expression (RE2 syntax, a constant) has matched, or the whole match if it has no group.",
			nulls:      "null if a is null, and where nothing matches",
			signatures: []signature{{args: texts(2), result: kindString, prepare: preparePattern(extractMatch), lenient: true, errs: []error{ErrPattern}}},
			examples:   []example{{`email.extract("@(.*)")`, `"example.org"`}, {`extract(country, "[0-9]+")`, "null"}},
		},
		pad("padStart", "at the start", true, example{`padStart(string(visits), 4, "0")`, `"0003"`}, example{`country.padStart(4)`, `"  PT"`}),
		pad("padEnd", "at the end", false, example{`country.padEnd(5, "ab")`, `"PTaba"`}),
		{
			name: "repeat", form: "repeat(a, n)", in: inText, method: true, doc: "n times the text; none, if n is not positive.", fails: tooLong,
			signatures: []signature{{args: []kind{kindString, kindInt}, result: kindString, kernel: textKernel(repeatText), errs: long}},
			examples:   []example{{"country.repeat(2)", `"PTPT"`}},
		},
		{
			name: "reverse", form: "reverse(a)", in: inText, method: true, doc: "The characters (code points) in the opposite order.",
			signatures: []signature{{args: text, result: kindString, kernel: mapStrings(reverseText)}},
			examples:   []example{{`reverse("olá")`, `"álo"`}},
		},
		{
			name: "indexOf", form: "indexOf(a, part)", in: inText, method: true,
			doc:        "Where part occurs first in a, in characters from 0; -1 if it does not.",
			signatures: []signature{{args: texts(2), result: kindInt, kernel: indexOfText, bounds: within(-1, math.MaxInt64)}},
			examples:   []example{{`email.indexOf("@")`, "3"}, {`indexOf("olá!", "!")`, "3"}, {`indexOf(country, "X")`, "-1"}},
		},
		{
			name: "splitPart", form: "splitPart(a, separator, n)", in: inText, method: true,
			doc:        "Part n, from 0, of a text cut at each separator; the empty text if there is no such part. Negative numbers count from the end. An empty separator cuts nowhere.",
			signatures: []signature{{args: []kind{kindString, kindString, kindInt}, result: kindString, kernel: textKernel(splitPart)}},
			examples:   []example{{`email.splitPart("@", 1)`, `"example.org"`}, {`splitPart("a,b,c", ",", -1)`, `"c"`}, {`splitPart("a,b", ",", 7)`, `""`}},
		},
		{
			name: "hex", form: "hex(a)", in: inText, doc: "The bytes, or those of the text in UTF-8, as hexadecimal digits in lower case.", fails: tooLong,
			signatures: familyOf([]kind{kindString, kindBytes}, func(k kind) signature {
				return signature{args: []kind{k}, result: kindString, kernel: textKernel(hexText), errs: long}
			}),
			examples: []example{{"hex(country)", `"5054"`}},
		},
	}
}

// copied is why a function that only cuts costs what it does.
const copied = "what comes out is copied, where a Go string shares the memory of the one that it is cut from"

// textKernel makes a kernel of a function that makes one text a row, in memory of
// frame.text or of its operands.
func textKernel(fn func(f *frame, args []*vector, i int) (string, error)) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		for i := range f.n {
			out.strs[i] = ""
			if !live.has(i) {
				continue
			}
			s, err := fn(f, args, i)
			if err != nil {
				f.fail(i, err)
				continue
			}
			out.strs[i] = s
			if f.textFull() {
				return
			}
		}
	}
}

// room is n bytes for a text; an error if it would be too long.
func (f *frame) room(n int) ([]byte, error) {
	if n > MaxStringBytes {
		return nil, ErrTooLong
	}
	return f.text.alloc(n), nil
}

func replaceText(f *frame, args []*vector, i int) (string, error) {
	s, old, with := args[0].strs[i], args[1].strs[i], args[2].strs[i]
	if old == "" {
		return s, nil
	}
	n := strings.Count(s, old)
	if n == 0 {
		return s, nil
	}
	buf, err := f.room(len(s) + n*(len(with)-len(old)))
	if err != nil {
		return "", err
	}
	rest := buf
	for range n {
		before, after, _ := strings.Cut(s, old)
		rest = rest[copy(rest, before):]
		rest = rest[copy(rest, with):]
		s = after
	}
	copy(rest, s)
	return stringOf(buf), nil
}

func repeatText(f *frame, args []*vector, i int) (string, error) {
	s, n := args[0].strs[i], args[1].ints[i]
	if n <= 0 || s == "" {
		return "", nil
	}
	if n > MaxStringBytes {
		return "", ErrTooLong
	}
	buf, err := f.room(len(s) * int(n))
	if err != nil {
		return "", err
	}
	for at := 0; at < len(buf); {
		at += copy(buf[at:], s)
	}
	return stringOf(buf), nil
}

func hexText(f *frame, args []*vector, i int) (string, error) {
	s := args[0].strs[i]
	buf, err := f.room(hex.EncodedLen(len(s)))
	if err != nil {
		return "", err
	}
	hex.Encode(buf, bytesOf(s))
	return stringOf(buf), nil
}

func reverseText(f *frame, s string) string {
	buf := f.text.alloc(len(s))
	at := len(s)
	for rest := s; rest != ""; {
		_, n := utf8.DecodeRuneInString(rest) // of bytes that are no character: one
		at -= n
		copy(buf[at:], rest[:n])
		rest = rest[n:]
	}
	return stringOf(buf)
}

// padKernel is padStart and padEnd.
func padKernel(start bool) kernel {
	return textKernel(func(f *frame, args []*vector, i int) (string, error) {
		s, n, fill := args[0].strs[i], args[1].ints[i], " "
		if len(args) > 2 {
			fill = args[2].strs[i]
		}
		missing := n - int64(utf8.RuneCountInString(s))
		if missing <= 0 || fill == "" {
			return s, nil
		}
		if missing > MaxStringBytes {
			return "", ErrTooLong
		}
		per := int64(utf8.RuneCountInString(fill))
		whole, part := int(missing/per), fill[:runeOffset(fill, missing%per)]
		padding := whole*len(fill) + len(part)
		buf, err := f.room(len(s) + padding)
		if err != nil {
			return "", err
		}
		at := 0
		if !start {
			at = copy(buf, s)
		}
		for range whole {
			at += copy(buf[at:], fill)
		}
		at += copy(buf[at:], part)
		if start {
			copy(buf[at:], s)
		}
		return stringOf(buf), nil
	})
}

func indexOfText(f *frame, out *vector, live *mask, args []*vector) {
	for i := range f.n {
		if !live.has(i) {
			continue
		}
		s := args[0].strs[i]
		at := strings.Index(s, args[1].strs[i])
		if at > 0 {
			at = utf8.RuneCountInString(s[:at])
		}
		out.ints[i] = int64(at)
	}
}

func splitPart(_ *frame, args []*vector, i int) (string, error) {
	s, separator, n := args[0].strs[i], args[1].strs[i], args[2].ints[i]
	if separator == "" {
		if n == 0 || n == -1 {
			return s, nil
		}
		return "", nil
	}
	for ; n >= 0; n-- {
		part, rest, more := strings.Cut(s, separator)
		switch {
		case n == 0:
			return part, nil
		case !more:
			return "", nil
		}
		s = rest
	}
	// From the end: the parts are those from the left, though a separator such as "aa"
	// can be found in other places from the right.
	n += int64(strings.Count(s, separator)) + 1
	if n < 0 {
		return "", nil
	}
	for ; n > 0; n-- {
		_, s, _ = strings.Cut(s, separator)
	}
	part, _, _ := strings.Cut(s, separator)
	return part, nil
}

// preparePattern compiles the second operand, which must be a constant pattern.
func preparePattern(of func(p *regexp.Regexp) kernel) func(*signature, []operand) (prepared, *problem) {
	return func(s *signature, args []operand) (prepared, *problem) {
		pattern := args[1].constant
		if pattern == nil {
			return prepared{}, &problem{at: args[1].at, msg: "the pattern must be a constant", hint: `as in extract(email, "@(.*)")`}
		}
		compiled, p := compilePattern(args[1].at, pattern.vector.strs[0])
		if p != nil {
			return prepared{}, p
		}
		rest := append([]operand{args[0]}, args[2:]...)
		return prepared{kernel: of(compiled), args: rest, errs: s.errs}, nil
	}
}

// extractMatch fails where nothing matches: the signature is lenient and makes null of it.
func extractMatch(p *regexp.Regexp) kernel {
	group := 2 * min(1, p.NumSubexp())
	return textKernel(func(_ *frame, args []*vector, i int) (string, error) {
		s := args[0].strs[i]
		at := p.FindStringSubmatchIndex(s)
		if at == nil || at[group] < 0 {
			return "", ErrPattern
		}
		return s[at[group]:at[group+1]], nil
	})
}

func replaceMatches(p *regexp.Regexp) kernel {
	return textKernel(func(f *frame, args []*vector, i int) (string, error) {
		s, with := args[0].strs[i], args[1].strs[i]
		var dst []byte
		last := 0
		for _, at := range p.FindAllStringSubmatchIndex(s, -1) {
			dst = append(dst, s[last:at[0]]...)
			dst = p.ExpandString(dst, with, s, at)
			if last = at[1]; len(dst) > MaxStringBytes {
				return "", ErrTooLong
			}
		}
		if last == 0 && dst == nil {
			return s, nil
		}
		dst = append(dst, s[last:]...)
		if len(dst) > MaxStringBytes {
			return "", ErrTooLong
		}
		return f.text.count(stringOf(dst)), nil
	})
}
