package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/nearest"
)

// maxSpec bounds a spec's size in bytes.
const maxSpec = 1 << 20

// Parse reads a spec. name stands in errors, as the file's name. The error is an
// [Errors]; all problems that can be found without the source's schema are in it. It
// wraps [ErrVersion] when the spec is of another version than [APIVersion].
//
// The text is taken as it is: [Draft] gives values to variables.
func Parse(name string, data []byte) (*Spec, error) {
	d := Draft(name, data, nil)
	if len(d.Errs) > 0 {
		return nil, d.Errs
	}
	return d.Spec, nil
}

// Drafted is what [Draft] makes of a text.
type Drafted struct {
	Spec *Spec  // what could be understood; nil when that is not even a source
	Text []byte // the text with the values of its variables: what [Parse] reads again
	Errs Errors // all that is wrong, in the order of the lines
}

// Draft reads a spec that may be wrong, and gives values to its variables; vars nil
// leaves them as they stand. [Compile] takes a spec with errors and finds those that
// show only with the columns of the source: it fails with all of them together.
func Draft(name string, data []byte, vars *Vars) Drafted {
	p := &parser{spec: &Spec{file: name}}
	d := Drafted{Text: data}
	if len(data) > maxSpec {
		d.Errs = Errors{{File: name, Msg: fmt.Sprintf("the spec has %d bytes, more than %d", len(data), maxSpec), Hint: "a spec is small: look whether this is one"}}
		return d
	}
	p.spec.lines = strings.Split(string(data), "\n")
	root, err := p.document(data)
	if err != nil {
		d.Errs = Errors{err}
		return d
	}
	if vars != nil {
		d.Text = p.expand(root, data, vars)
	}
	p.spec.root = root
	p.root(root)
	p.credentials(root)
	for _, e := range p.errs {
		e.source = p.spec.line(e.Line) // without what was concealed since
	}
	d.Errs = p.errs.sorted()
	p.spec.wrong = d.Errs
	// What holds a credential is not used to reach a source: its errors would show it.
	if len(d.Errs) == 0 || len(p.concealed) == 0 && p.spec.sourceIsKnown() {
		d.Spec = p.spec
	}
	return d
}

type parser struct {
	spec *Spec
	errs Errors
	draw *drawing // the schema is drawn, nothing is read; nil otherwise

	concealed map[*yaml.Node]bool // what no error shows
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// document returns the mapping of the only document.
func (p *parser) document(data []byte) (*yaml.Node, *Error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); err != nil {
		e := &Error{File: p.spec.file, Msg: strings.TrimPrefix(err.Error(), "yaml: "), Hint: "mend the YAML"}
		if errors.Is(err, io.EOF) {
			e.Msg, e.Hint = "the spec is empty", "begin with apiVersion: "+APIVersion
		}
		if strings.Contains(e.Msg, "UTF-8") || strings.Contains(e.Msg, "control characters") || strings.Contains(e.Msg, "unknown anchor") {
			p.unreadable(e, data)
		}
		if e.Line > 0 {
			return nil, e
		}
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			e.Line, _ = strconv.Atoi(m[1])
			e.Msg = strings.TrimPrefix(e.Msg, m[0]+": ")
			e.Column, e.source = 1, p.spec.line(e.Line)
			// The place is that of the mapping, or of what comes before it.
			for n := e.Line; n < e.Line+3; n++ {
				if line := p.spec.line(n); bareVariable.MatchString(line) {
					e.Line, e.source = n, line
					e.Column = len([]rune(line[:strings.Index(line, "${")])) + 1
					e.Hint = "between { } and [ ] a value with a variable stands in quotes: \"${NAME}\""
					break
				}
			}
		}
		return nil, e
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		e := &Error{File: p.spec.file, Msg: "the file has more than one document", Hint: "one pipeline a file"}
		if more.Line > 0 {
			e.Line, e.Column, e.source = more.Line, more.Column, p.spec.line(more.Line)
		}
		return nil, e
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{File: p.spec.file, Line: 1, Column: 1, source: p.spec.line(1), Msg: "a spec is a mapping", Hint: "begin with apiVersion: " + APIVersion}
	}
	return doc.Content[0], nil
}

var yamlAnchor = regexp.MustCompile(`^unknown anchor '([^']*)' referenced`)

// unreadable gives an error its place where YAML's reader gives none: a character that no
// text has, or an alias of nothing.
func (p *parser) unreadable(e *Error, data []byte) {
	at := -1
	if m := yamlAnchor.FindStringSubmatch(e.Msg); m != nil {
		at = bytes.Index(data, []byte("*"+m[1]))
		e.Msg, e.Hint = fmt.Sprintf("there is no anchor %q", m[1]), fmt.Sprintf("name a value &%s before it, or write text that begins with * in quotes", m[1])
	}
	for i, r := range string(data) {
		switch {
		case at >= 0:
		case r == utf8.RuneError && !utf8.FullRune(data[i:]) || r == utf8.RuneError && data[i] != 0xef:
			at, e.Msg, e.Hint = i, "the file is not UTF-8", "save it as UTF-8"
		case r < ' ' && !strings.ContainsRune("\t\n\r", r), r == 0x7f:
			at, e.Msg, e.Hint = i, "control characters are not allowed", fmt.Sprintf("take it out, or write \"\\x%02x\" between double quotes", r)
		}
		if at >= 0 {
			break
		}
	}
	if at < 0 {
		return
	}
	before := data[:at]
	e.Line = 1 + bytes.Count(before, []byte("\n"))
	e.Column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	e.source = printableLine(p.spec.line(e.Line))
}

// printableLine is a line that can be shown, with as many characters.
func printableLine(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(line, string(utf8.RuneError)))
}

func (s *Spec) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return strings.TrimRight(s.lines[n-1], "\r")
}

// errorAt makes an error at a node's place.
func (s *Spec) errorAt(n *yaml.Node, path, hint, format string, args ...any) *Error {
	e := &Error{File: s.file, Path: path, Msg: fmt.Sprintf(format, args...), Hint: hint}
	if n != nil {
		e.Line, e.Column, e.source = n.Line, n.Column, s.line(n.Line)
	}
	return e
}

func (p *parser) fail(n *yaml.Node, path, hint, format string, args ...any) {
	if p.draw != nil || p.spec.unresolved[n] {
		return
	}
	p.errs = append(p.errs, p.spec.errorAt(n, path, hint, format, args...))
}

// fields walks a mapping: each known field is given its parser, the others are
// errors, and so are repeated ones.
func (p *parser) fields(n *yaml.Node, path string, known map[string]func(n *yaml.Node, path string)) map[string]*yaml.Node {
	if p.draw != nil {
		p.draw.object(path, known)
		return nil
	}
	n = target(n)
	if n.Kind != yaml.MappingNode {
		p.fail(n, path, "its fields are "+strings.Join(slices.Sorted(maps.Keys(known)), ", "), "must be a mapping, this is %s", found(n))
		return nil
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		parse, ok := known[key.Value]
		switch {
		case !ok:
			p.unknown(key, val, at, slices.Sorted(maps.Keys(known)))
		case seen[key.Value] != nil:
			p.fail(key, at, fmt.Sprintf("it stands in line %d already: keep one of them", seen[key.Value].Line), "field %q is repeated", key.Value)
		default:
			seen[key.Value] = key
			parse(val, at)
		}
	}
	return seen
}

// unknown reports a field that is not known here.
func (p *parser) unknown(key, val *yaml.Node, path string, names []string) {
	if holdsCredentials(key.Value) {
		p.fail(key, path, credentialsRemedy, "credentials do not belong into a spec, and %q is no field of it", key.Value)
		p.conceal(val)
		return
	}
	if key.Value == "<<" {
		p.fail(key, path, "write the fields out; an alias may stand for a whole value", "merge keys are not supported")
		return
	}
	hint := "known fields: " + strings.Join(names, ", ")
	if near := nearest.Of(key.Value, names); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	p.fail(key, path, hint, "unknown field %q", key.Value)
	if key.Value == "key" && !strings.HasPrefix(val.Value, "env:") {
		p.conceal(val) // it may be one
	}
}

// need reports a field that is missing among those that fields has seen.
func (p *parser) need(n *yaml.Node, path string, seen map[string]*yaml.Node, field, remedy string) {
	if p.draw != nil {
		p.draw.required(field)
		return
	}
	if seen != nil && seen[field] == nil && !mistyped(n, seen, field) {
		p.fail(n, join(path, field), remedy, "field %q is missing", field)
	}
}

// one reports a mapping that has not exactly one of the fields.
func (p *parser) one(n *yaml.Node, path string, seen map[string]*yaml.Node, remedy, rule string, among ...string) {
	if p.draw != nil {
		p.draw.one(among)
		return
	}
	there := 0
	for field := range seen {
		if len(among) == 0 || slices.Contains(among, field) {
			there++
		}
	}
	if seen == nil || there == 1 || there == 0 && mistyped(n, seen, among...) {
		return
	}
	p.fail(n, path, remedy, "%s", rule)
}

// mistyped reports that a mapping has a field that is not known and probably is one of
// some: that has been reported. No field: any.
func mistyped(n *yaml.Node, seen map[string]*yaml.Node, fields ...string) bool {
	n = target(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; seen[key] == nil && (len(fields) == 0 || nearest.Of(key, fields) != "") {
			return true
		}
	}
	return false
}

// list walks a list that has at least least items.
func (p *parser) list(n *yaml.Node, path string, least int, remedy, what string, item func(n *yaml.Node, path string)) {
	if p.draw != nil {
		p.draw.list(path, least, item)
		return
	}
	n = target(n)
	if n.Kind != yaml.SequenceNode || len(n.Content) < least {
		p.fail(n, path, remedy, "must be a list of %s, this is %s", what, found(n))
		return
	}
	for i, it := range n.Content {
		item(it, fmt.Sprintf("%s[%d]", path, i))
	}
}

// target is the node that an alias stands for, else the node.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// found says what a node is, for an error that wanted something else.
func found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		return "an empty mapping"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		return "an empty list"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "nothing"
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return "the number " + n.Value
	case n.ShortTag() == "!!bool":
		return n.Value
	}
	return "text"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (p *parser) root(n *yaml.Node) {
	s := p.spec
	s.Policies = Policies{MaxAge: 30 * time.Second, RequeueAfter: 5 * time.Second}
	seen := p.fields(n, "", map[string]func(*yaml.Node, string){
		"apiVersion": func(n *yaml.Node, path string) {
			if p.draw != nil {
				p.draw.put(object{"const": APIVersion})
				return
			}
			if p.text(n, path, &s.APIVersion); s.APIVersion != "" && s.APIVersion != APIVersion {
				p.fail(n, path, "this levada reads "+APIVersion+": use a newer one for this spec", "version %q is not known", s.APIVersion)
				p.errs[len(p.errs)-1].kind = ErrVersion
			}
		},
		"name":     func(n *yaml.Node, path string) { p.name(n, path, &s.Name) },
		"source":   p.source,
		"stages":   p.stages,
		"sink":     p.sink,
		"policies": p.policies,
	})
	p.need(n, "", seen, "apiVersion", "begin with apiVersion: "+APIVersion)
	p.need(n, "", seen, "name", "add name: and a name for the pipeline")
	p.need(n, "", seen, "source", "say where rows come from: source: { parquet: { uri: in/*.parquet } }")
	p.need(n, "", seen, "sink", "say where rows go: sink: { parquet: { uri: out } }")
	p.combinations()
	if s.Policies.Visibility == "" {
		s.Policies.Visibility = VisibilityFile
		if s.Sink.Parquet != nil && s.Sink.Parquet.Mode == ModeOverwrite {
			s.Policies.Visibility = VisibilityRun
		}
	}
	if k := s.Sink.Parquet; k != nil && k.Mode == ModeOverwrite && s.Policies.Visibility != VisibilityRun {
		// Rule 21: what is replaced goes only when all of the new is there.
		p.fail(s.Policies.vis, "policies.visibility", "write visibility: run, or leave it out", "mode overwrite replaces a whole run at once and needs visibility: run")
	}
}

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (p *parser) name(n *yaml.Node, path string, to *string) {
	if p.draw != nil {
		p.draw.put(object{"anyOf": []any{object{"type": "integer", "minimum": 0}, object{"type": "boolean"}}}) // a name of digits, or true
		p.draw.put(written(namePattern.String()))
		return
	}
	p.text(n, path, to)
	if *to != "" && !namePattern.MatchString(*to) {
		p.fail(n, path, "use a-z, 0-9 and -, at most 63 characters", "name %q cannot be part of a subject", *to)
	}
}

func (p *parser) source(n *yaml.Node, path string) {
	src := &p.spec.Source
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"parquet": func(n *yaml.Node, path string) {
			q := &ParquetSource{node: n}
			src.Parquet = q
			seen := p.fields(n, path, map[string]func(*yaml.Node, string){
				"uri": func(n *yaml.Node, path string) {
					var nodes []*yaml.Node
					q.URI, nodes = p.texts(n, path)
					for i, u := range q.URI {
						p.scheme(nodes[i], path, u)
					}
				},
				"columns": func(n *yaml.Node, path string) { q.Columns, q.nodes = p.texts(n, path) },
				"s3":      func(n *yaml.Node, path string) { q.S3 = p.s3(n, path, false) },
				"schema": func(n *yaml.Node, path string) {
					choose(p, n, path, &q.Schemas, SchemasStrict, SchemasFirst, SchemasUnion)
				},
				"hive":        func(n *yaml.Node, path string) { q.Hive = p.hive(n, path) },
				"on_bad_file": func(n *yaml.Node, path string) { choose(p, n, path, &q.OnBadFile, BadFileFail, BadFileSkip) },
			})
			p.need(n, path, seen, "uri", "name a file, a directory or a glob")
		},
		"range": func(n *yaml.Node, path string) {
			r := &RangeSource{Column: "id", Rows: -1}
			src.Range = r
			seen := p.fields(n, path, map[string]func(*yaml.Node, string){
				"rows":   func(n *yaml.Node, path string) { p.number(n, path, 0, 1<<50, &r.Rows) },
				"column": func(n *yaml.Node, path string) { p.column(n, path, &r.Column) },
			})
			p.need(n, path, seen, "rows", "say how many, for example rows: 1000")
		},
	})
	p.one(n, path, seen, "write one of parquet, range", "a pipeline has one source")
}

// scheme refuses locations that this build cannot reach.
func (p *parser) scheme(n *yaml.Node, path, uri string) {
	scheme, rest, ok := strings.Cut(uri, "://")
	switch {
	case !ok:
		// A path that begins so is never meant, and a sink would be a directory of that name.
		if scheme, _, colon := strings.Cut(uri, ":"); colon && slices.Contains([]string{"s3", "s3a", "file", "gs", "http", "https"}, strings.ToLower(scheme)) {
			p.fail(n, path, "write "+strings.ToLower(scheme)+"://, or ./ before a path that begins so", "location %q begins like a URL and is none", uri)
		}
	case scheme == "file":
		if !strings.HasPrefix(rest, "/") {
			p.fail(n, path, "write file:///dir/name, with three slashes, or a path alone", "location %q is not absolute", uri)
		}
	case scheme == "s3":
		if bucket, _, _ := strings.Cut(rest, "/"); bucket == "" || strings.ContainsAny(bucket, "*?[{ ") {
			p.fail(n, path, "write s3://bucket/prefix", "location %q names no bucket", uri)
		}
	case scheme == "gs" || scheme == "az" || scheme == "abfs" || scheme == "wasb" || scheme == "s3a" || scheme == "s3n":
		hint := "write s3://"
		if !strings.HasPrefix(scheme, "s3") {
			hint = "reach it as s3:// through an endpoint that speaks S3, with s3.endpoint"
		}
		p.fail(n, path, hint, "scheme %q is not supported", scheme)
	default:
		p.fail(n, path, "use a local path, file:// or s3://", "scheme %q is not supported", scheme)
	}
}

// s3 reads how buckets are reached.
func (p *parser) s3(n *yaml.Node, path string, sink bool) *S3 {
	o := &S3{}
	known := map[string]func(*yaml.Node, string){
		"region": func(n *yaml.Node, path string) { p.text(n, path, &o.Region) },
		"endpoint": func(n *yaml.Node, path string) {
			if p.draw != nil {
				p.draw.put(written(`^https?://[^@/]+(/[^@]*)?$`))
				return
			}
			if p.text(n, path, &o.Endpoint); o.Endpoint == "" {
				return // reported
			}
			if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				p.fail(n, path, "write for example https://storage.example.com", "%q is not a URL", o.Endpoint)
			} else if u.User != nil {
				p.fail(n, path, credentialsRemedy, "credentials do not belong into a spec")
				p.conceal(n)
			}
		},
		"path_style":     func(n *yaml.Node, path string) { v := false; p.boolean(n, path, &v); o.PathStyle = &v },
		"requester_pays": func(n *yaml.Node, path string) { p.boolean(n, path, &o.RequesterPays) },
	}
	if sink {
		known["sse"] = func(n *yaml.Node, path string) { choose(p, n, path, &o.SSE, "AES256", "aws:kms") }
		known["kms_key"] = func(n *yaml.Node, path string) { p.text(n, path, &o.KMSKey) }
	} else {
		known["read_gap"] = func(n *yaml.Node, path string) { p.size(n, path, 0, &o.ReadGap) }
		known["read_split"] = func(n *yaml.Node, path string) { p.size(n, path, 64<<10, &o.ReadSplit) }
		known["read_parallel"] = func(n *yaml.Node, path string) {
			v := int64(0)
			p.number(n, path, 1, 256, &v)
			o.ReadParallel = int(v)
		}
	}
	p.fields(n, path, known)
	if sink && p.draw != nil {
		p.draw.rule(object{"if": object{"required": []string{"kms_key"}}, "then": object{"required": []string{"sse"}, "properties": object{"sse": object{"enum": []string{"aws:kms"}}}}})
	}
	if o.KMSKey != "" && o.SSE != "aws:kms" {
		p.fail(n, path+".kms_key", "write sse: aws:kms", "a KMS key is of no use without sse: aws:kms")
	}
	return o
}

func (p *parser) stages(n *yaml.Node, path string) {
	names := map[string]int{"source": n.Line, "sink": n.Line}
	p.list(n, path, 0, "begin each stage with - name:", "stages", func(item *yaml.Node, at string) {
		st, wrong := StageSpec{node: item, path: at}, len(p.errs)
		seen := p.fields(item, at, map[string]func(*yaml.Node, string){
			"name":      func(n *yaml.Node, path string) { p.name(n, path, &st.Name) },
			"transform": func(n *yaml.Node, path string) { st.Transform = p.transform(n, path) },
			"external":  func(n *yaml.Node, path string) { st.External = p.external(n, path) },
			"workers":   func(n *yaml.Node, path string) { p.workers(n, path, &st.Workers) },
			"fuse":      func(n *yaml.Node, path string) { choose(p, n, path, &st.Fuse, FuseAuto, FuseNever) },
		})
		p.need(item, at, seen, "name", "give the stage a name: it stands in subjects, books and statistics")
		p.one(item, at, seen, "write one of transform, external", "a stage does one thing", "transform", "external")
		if p.draw != nil {
			p.draw.rule(object{"not": object{"required": []string{"external", "workers"}}})
			p.draw.rule(object{"properties": object{"name": object{"not": object{"enum": []string{"source", "sink"}}}}})
		}
		if key := seen["workers"]; key != nil && seen["external"] != nil {
			p.fail(key, at+".workers", "leave it out: the process that serves the stage decides", "an external stage has no workers here")
		}
		if line, taken := names[st.Name]; taken {
			hint := fmt.Sprintf("it is used in line %d: choose another", line)
			if st.Name == "source" || st.Name == "sink" {
				hint = "source and sink are reserved: choose another"
			}
			p.fail(item, at+".name", hint, "stage name %q is taken", st.Name)
		}
		if st.Name != "" {
			names[st.Name] = item.Line
		}
		st.bad = len(p.errs) > wrong && st.Transform == nil
		p.spec.Stages = append(p.spec.Stages, st)
	})
}

func (p *parser) transform(n *yaml.Node, path string) []OperatorSpec {
	var ops []OperatorSpec
	p.list(n, path, 1, "begin each operator with a -, as in - filter: \"amount > 20.0\"", "operators", func(item *yaml.Node, at string) {
		op, wrong := OperatorSpec{node: item, path: at}, len(p.errs)
		kinds := map[string]func(*yaml.Node, string){
			"select": func(n *yaml.Node, path string) { op.Kind, op.node = "select", n; op.Names, op.items = p.texts(n, path) },
			"drop":   func(n *yaml.Node, path string) { op.Kind, op.node = "drop", n; op.Names, op.items = p.texts(n, path) },
			"filter": func(n *yaml.Node, path string) { op.Kind, op.node = "filter", n; p.text(n, path, &op.Expr) },
			"rename": func(n *yaml.Node, path string) {
				op.Kind, op.node = "rename", n
				p.pairs(n, path, func(key, val *yaml.Node) {
					pair := Pair{Old: key.Value, node: key}
					p.column(val, join(path, key.Value), &pair.New)
					op.Rename = append(op.Rename, pair)
				})
			},
			"with": func(n *yaml.Node, path string) {
				op.Kind, op.node = "with", n
				p.pairs(n, path, func(key, val *yaml.Node) {
					a := Assignment{key: key, node: val}
					p.column(key, join(path, key.Value), &a.Column)
					p.text(val, join(path, key.Value), &a.Expr)
					op.With = append(op.With, a)
				})
			},
			"mask": func(n *yaml.Node, path string) {
				op.Kind, op.node = "mask", n
				p.mask(n, path, &op)
			},
		}
		maps.Copy(kinds, p.moreOperators(&op))
		seen := p.fields(item, at, kinds)
		p.one(item, at, seen, "begin each operator with its own -", "one operator an entry")
		op.bad = len(p.errs) > wrong
		ops = append(ops, op)
	})
	return ops
}

func (p *parser) external(n *yaml.Node, path string) *External {
	x := &External{}
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"columns": func(n *yaml.Node, path string) {
			p.pairs(n, path, func(key, val *yaml.Node) {
				c := ColumnSpec{node: val}
				p.column(key, path, &c.Name)
				choose(p, val, join(path, key.Value), &c.Type, ColumnTypes()...)
				x.Columns = append(x.Columns, c)
			})
		},
	})
	p.need(n, path, seen, "columns", "declare what the stage adds or replaces: columns: { score: float64 }")
	return x
}

func (p *parser) sink(n *yaml.Node, path string) {
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"parquet": p.parquetSink,
		"fuse":    func(n *yaml.Node, path string) { choose(p, n, path, &p.spec.Sink.Fuse, FuseAuto, FuseNever) },
	})
	p.need(n, path, seen, "parquet", "say where rows go: parquet: { uri: out }")
}

func (p *parser) parquetSink(n *yaml.Node, path string) {
	k := &ParquetSink{
		TargetFile: 128 << 20, RowsPerGroup: 1 << 20, Compression: Compression{Codec: "snappy"}, Mode: ModeError,
		Empty: EmptyFile, MaxOpenFiles: 256, node: n,
	}
	p.spec.Sink.Parquet = k
	known := map[string]func(*yaml.Node, string){
		"uri": func(n *yaml.Node, path string) {
			p.text(n, path, &k.URI)
			p.scheme(n, path, k.URI)
		},
		"partition_by":   func(n *yaml.Node, path string) { k.PartitionBy, k.partition = p.texts(n, path) },
		"target_file":    func(n *yaml.Node, path string) { p.size(n, path, 64<<10, &k.TargetFile) },
		"rows_per_group": func(n *yaml.Node, path string) { p.number(n, path, 1, 1<<30, &k.RowsPerGroup) },
		"compression":    func(n *yaml.Node, path string) { p.compression(n, path, &k.Compression) },
		"mode": func(n *yaml.Node, path string) {
			k.mode = n
			choose(p, n, path, &k.Mode, ModeError, ModeAppend, ModeOverwrite, ModeIgnore)
		},
		"preserve_order": func(n *yaml.Node, path string) { p.boolean(n, path, &k.PreserveOrder) },
		"empty":          func(n *yaml.Node, path string) { choose(p, n, path, &k.Empty, EmptyFile, EmptyError) },
		"max_open_files": func(n *yaml.Node, path string) {
			v := int64(k.MaxOpenFiles)
			p.number(n, path, 1, 1<<16, &v)
			k.MaxOpenFiles = int(v)
		},
		"s3": func(n *yaml.Node, path string) { k.S3 = p.s3(n, path, true) },
	}
	maps.Copy(known, p.finishFields(k))
	seen := p.fields(n, path, known)
	p.need(n, path, seen, "uri", "name a directory")
}

func (p *parser) compression(n *yaml.Node, path string, to *Compression) {
	level, wrong := int64(0), len(p.errs)
	n = target(n)
	if p.draw != nil {
		p.draw.put(written(`^((none|snappy|zstd)|zstd:([1-9]|1[0-9]|2[0-2]))$`))
	}
	if n.Kind == yaml.MappingNode {
		seen := p.fields(n, path, map[string]func(*yaml.Node, string){
			"codec": func(n *yaml.Node, path string) { choose(p, n, path, &to.Codec, codecs...) },
			"level": func(n *yaml.Node, path string) { p.number(n, path, 1, 22, &level) },
		})
		p.need(n, path, seen, "codec", "write one of "+strings.Join(codecs, ", "))
		if p.draw != nil {
			p.draw.rule(object{"if": object{"required": []string{"level"}}, "then": object{"properties": object{"codec": object{"enum": []string{"zstd"}}}}})
		}
	} else if p.draw == nil {
		var text string
		p.text(n, path, &text)
		codec, lvl, has := strings.Cut(text, ":")
		to.Codec = codec
		if text != "" && !slices.Contains(codecs, codec) {
			p.fail(n, path, oneOf(codec, codecs), "codec %q is not known", codec)
		}
		if has {
			v, err := strconv.ParseInt(lvl, 10, 64)
			if err != nil || v < 1 || v > 22 {
				p.fail(n, path, "write for example zstd:3", "level %q is not a number from 1 to 22", lvl)
			}
			level = v
		}
	}
	to.Level = int(level)
	if len(p.errs) == wrong && to.Level != 0 && to.Codec != "zstd" {
		p.fail(n, path, "leave the level out", "codec %s has no levels", to.Codec)
	}
}

// codecs are the names of compressions.
var codecs = []string{"none", "snappy", "zstd"}

func (p *parser) policies(n *yaml.Node, path string) {
	o := &p.spec.Policies
	o.node = n
	p.fields(n, path, map[string]func(*yaml.Node, string){
		"max_dead_rows": func(n *yaml.Node, path string) { p.number(n, path, 0, 1<<50, &o.MaxDeadRows) },
		"visibility": func(n *yaml.Node, path string) {
			o.vis = n
			choose(p, n, path, &o.Visibility, VisibilityFile, VisibilityRun)
		},
		// Rule 14: finite, whatever the user would like.
		"max_age":       func(n *yaml.Node, path string) { p.duration(n, path, 100*time.Millisecond, time.Hour, &o.MaxAge) },
		"requeue_after": func(n *yaml.Node, path string) { p.duration(n, path, 100*time.Millisecond, time.Hour, &o.RequeueAfter) },
		"block_bytes":   func(n *yaml.Node, path string) { p.size(n, path, 16<<10, &o.BlockBytes) },
		"edge_bytes":    func(n *yaml.Node, path string) { p.size(n, path, minEdge, &o.EdgeBytes) },
		"workers":       func(n *yaml.Node, path string) { p.workers(n, path, &o.Workers) },
		"fuse":          func(n *yaml.Node, path string) { choose(p, n, path, &o.Fuse, FuseAuto, FuseNever) },
		"carry": func(n *yaml.Node, path string) {
			o.carry = n
			choose(p, n, path, &o.Carry, CarryAuto, CarryTouched, CarryAll)
		},
	})
}

// MaxWorkers bounds the workers of one stage in one process.
const MaxWorkers = 1024

// workers reads a number, or the least and the most of it.
func (p *parser) workers(n *yaml.Node, path string, to *Workers) {
	const hint = "write for example workers: 4, or workers: { min: 1, max: 8 }"
	n = target(n)
	if p.draw != nil {
		p.draw.put(whole(1, MaxWorkers))
	}
	if n.Kind != yaml.MappingNode {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < 1 || v > MaxWorkers {
			p.fail(n, path, hint, "must be a whole number from 1 to %d, or a mapping of min and max", MaxWorkers)
			return
		}
		*to = Workers{v, v}
		return
	}
	lo, hi, wrong := int64(1), int64(0), len(p.errs)
	var most *yaml.Node
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"min": func(n *yaml.Node, path string) { p.number(n, path, 1, MaxWorkers, &lo) },
		"max": func(n *yaml.Node, path string) {
			most = n
			p.number(n, path, 1, MaxWorkers, &hi)
		},
	})
	p.need(n, path, seen, "max", hint)
	if len(p.errs) > wrong {
		return
	}
	if lo > hi {
		p.fail(most, path+".max", fmt.Sprintf("write max: %d or more, or a smaller min", lo), "max is %d, less than min, which is %d", hi, lo)
		return
	}
	*to = Workers{int(lo), int(hi)}
}

// text reads a scalar that is not null.
func (p *parser) text(n *yaml.Node, path string, to *string) {
	if p.draw != nil {
		if n != p.draw.key { // that may be any name
			p.draw.put(text())
		}
		return
	}
	n = target(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.fail(n, path, "write one value, in quotes where YAML would read something else", "must be text, this is %s", found(n))
		return
	}
	if strings.TrimSpace(n.Value) == "" {
		p.fail(n, path, "write a value, or leave the field out", "must not be empty")
		return
	}
	*to = n.Value
}

// texts reads one text or a list of them.
func (p *parser) texts(n *yaml.Node, path string) ([]string, []*yaml.Node) {
	if p.draw != nil {
		p.draw.put(text())
		p.draw.list(path, 1, func(n *yaml.Node, path string) { p.text(n, path, new(string)) })
		return []string{""}, []*yaml.Node{n}
	}
	n = target(n)
	if n.Kind != yaml.SequenceNode {
		var s string
		p.text(n, path, &s)
		return []string{s}, []*yaml.Node{n}
	}
	if len(n.Content) == 0 {
		p.fail(n, path, "write at least one, or leave the field out", "must not be empty")
	}
	out := make([]string, len(n.Content))
	for i, item := range n.Content {
		p.text(item, fmt.Sprintf("%s[%d]", path, i), &out[i])
	}
	return out, n.Content
}

// pairs walks a mapping of names that the user chooses.
func (p *parser) pairs(n *yaml.Node, path string, f func(key, val *yaml.Node)) {
	if p.draw != nil {
		p.draw.pairs(path, f)
		return
	}
	n = target(n)
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		p.fail(n, path, "write name: value pairs", "must be a mapping, this is %s", found(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, ok := seen[key.Value]; ok {
			p.fail(key, join(path, key.Value), fmt.Sprintf("it stands in line %d already: keep one of them", line), "%q is repeated", key.Value)
			continue
		}
		seen[key.Value] = key.Line
		f(key, n.Content[i+1])
	}
}

// column reads the name of a column that the pipeline makes.
func (p *parser) column(n *yaml.Node, path string, to *string) {
	p.text(n, path, to)
	if *to == blocks.OffsetsColumn {
		p.fail(n, path, "choose another name", "column name %q is reserved", *to)
	}
}

func (p *parser) number(n *yaml.Node, path string, lo, hi int64, to *int64) {
	if p.draw != nil {
		p.draw.put(whole(lo, hi))
		return
	}
	n = target(n)
	v, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 10, 64)
	if n.Kind != yaml.ScalarNode || err != nil || v < lo || v > hi {
		hint := fmt.Sprintf("write for example %d", max(lo, min(hi, 100)))
		if err == nil && v < lo {
			hint = fmt.Sprintf("write %d or more", lo)
		} else if err == nil && v > hi {
			hint = fmt.Sprintf("write %d or less", hi)
		}
		p.fail(n, path, hint, "must be a whole number from %d to %d, this is %s", lo, hi, found(n))
		return
	}
	*to = v
}

func (p *parser) boolean(n *yaml.Node, path string, to *bool) {
	if p.draw != nil {
		p.draw.put(object{"anyOf": []any{object{"type": "boolean"}, object{"enum": []string{"true", "false"}}, variableOnly()}})
		return
	}
	n = target(n)
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		p.fail(n, path, "write true or false", "must be true or false, this is %s", found(n))
		return
	}
	*to = n.Value == "true"
}

// digits are what sizes and durations have: "many" has neither number nor unit.
var digits = regexp.MustCompile(`^[0-9][0-9._]*$`)

func (p *parser) size(n *yaml.Node, path string, lo int64, to *int64) {
	if p.draw != nil {
		p.draw.put(sized())
		return
	}
	n = target(n)
	v, err := humanize.ParseBytes(n.Value)
	least := humanize.IBytes(uint64(lo)) //nolint:gosec // a positive bound
	switch {
	case n.Kind != yaml.ScalarNode:
		p.fail(n, path, "write for example 128MiB", "must be a size, this is %s", found(n))
	case err != nil || v > 1<<50:
		p.fail(n, path, "write a number and its unit, for example 128MiB", "%q is not a size", n.Value)
	case int64(v) < lo && digits.MatchString(n.Value):
		p.fail(n, path, fmt.Sprintf("write its unit: %sMiB", n.Value), "%s bytes are less than the least, %s", n.Value, least)
	case int64(v) < lo:
		p.fail(n, path, "write at least "+strings.ReplaceAll(least, " ", ""), "%s is less than the least, %s", n.Value, least)
	default:
		*to = int64(v)
	}
}

func (p *parser) duration(n *yaml.Node, path string, lo, hi time.Duration, to *time.Duration) {
	if p.draw != nil {
		p.draw.put(written(`^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$`))
		return
	}
	n = target(n)
	v, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode:
		p.fail(n, path, "write for example 30s", "must be a duration, this is %s", found(n))
	case err != nil && digits.MatchString(n.Value):
		p.fail(n, path, fmt.Sprintf("write its unit: %ss for seconds", n.Value), "a duration has a unit, %s has none", n.Value)
	case err != nil:
		p.fail(n, path, "write a number and its unit, for example 500ms, 30s or 1m30s", "%q is not a duration", n.Value)
	case v < lo || v > hi:
		p.fail(n, path, fmt.Sprintf("write one from %s to %s", brief(lo), brief(hi)), "%s is not from %s to %s", n.Value, brief(lo), brief(hi))
	default:
		*to = v
	}
}

// brief is a duration as a person writes it: 1h, not 1h0m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// oneOf is the remedy for a name that is none of some names.
func oneOf(name string, names []string) string {
	hint := "write one of " + strings.Join(names, ", ")
	if near := nearest.Of(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	return hint
}

func choose[T ~string](p *parser, n *yaml.Node, path string, to *T, choices ...T) {
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = string(c)
	}
	if p.draw != nil {
		p.draw.put(object{"anyOf": []any{object{"enum": names}, variableOnly()}})
		return
	}
	var text string
	p.text(n, path, &text)
	if text != "" && !slices.Contains(names, text) {
		p.fail(n, path, oneOf(text, names), "%q is not a choice", text)
		return
	}
	*to = T(text)
}
