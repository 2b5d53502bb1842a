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

	"github.com/dustin/go-humanize"
	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/blocks"
)

// maxSpec bounds a spec's size in bytes.
const maxSpec = 1 << 20

// Parse reads a spec. name stands in errors, as the file's name. The error is an
// [Errors]; all problems that can be found without the source's schema are in it. It
// wraps [ErrVersion] when the spec is of another version than [APIVersion].
func Parse(name string, data []byte) (*Spec, error) {
	p := &parser{spec: &Spec{file: name}}
	if len(data) > maxSpec {
		return nil, Errors{{File: name, Msg: fmt.Sprintf("the spec has %d bytes, more than %d", len(data), maxSpec)}}
	}
	p.spec.lines = strings.Split(string(data), "\n")
	root, err := p.document(data)
	if err != nil {
		return nil, Errors{err}
	}
	p.root(root)
	if len(p.errs) > 0 {
		return nil, p.errs.sorted()
	}
	return p.spec, nil
}

type parser struct {
	spec  *Spec
	errs  Errors
	known map[string]bool // every field name met, for Fields; nil otherwise
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
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			e.Line, _ = strconv.Atoi(m[1])
			e.Column, e.source = 1, p.spec.line(e.Line)
		}
		return nil, e
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &Error{File: p.spec.file, Msg: "the file has more than one document", Hint: "one pipeline a file"}
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{File: p.spec.file, Line: 1, Column: 1, source: p.spec.line(1), Msg: "a spec is a mapping", Hint: "begin with apiVersion: " + APIVersion}
	}
	return doc.Content[0], nil
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
	p.errs = append(p.errs, p.spec.errorAt(n, path, hint, format, args...))
}

// fields walks a mapping: each known field is given its parser, the others are
// errors, and so are repeated ones.
func (p *parser) fields(n *yaml.Node, path string, known map[string]func(n *yaml.Node, path string)) map[string]*yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, path, "fields: "+strings.Join(slices.Sorted(maps.Keys(known)), ", "), "must be a mapping")
		return nil
	}
	for name := range known {
		if p.known != nil {
			p.known[name] = true
		}
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		parse, ok := known[key.Value]
		switch {
		case !ok:
			names := slices.Sorted(maps.Keys(known))
			hint := "known fields: " + strings.Join(names, ", ")
			if near := nearest(key.Value, names); near != "" {
				hint = fmt.Sprintf("did you mean %q? %s", near, hint)
			}
			p.fail(key, at, hint, "unknown field %q", key.Value)
		case seen[key.Value] != nil:
			p.fail(key, at, fmt.Sprintf("it stands in line %d already", seen[key.Value].Line), "field %q is repeated", key.Value)
		default:
			seen[key.Value] = key
			parse(val, at)
		}
	}
	return seen
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
	for _, need := range []string{"apiVersion", "name", "source", "sink"} {
		if seen[need] == nil {
			p.fail(n, need, "add it", "field %q is missing", need)
		}
	}
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
				"uri":     func(n *yaml.Node, path string) { q.URI, _ = p.texts(n, path) },
				"columns": func(n *yaml.Node, path string) { q.Columns, _ = p.texts(n, path) },
				"s3":      func(n *yaml.Node, path string) { q.S3 = p.s3(n, path, false) },
				"schema": func(n *yaml.Node, path string) {
					choose(p, n, path, &q.Schemas, SchemasStrict, SchemasFirst, SchemasUnion)
				},
				"hive":        func(n *yaml.Node, path string) { q.Hive = p.hive(n, path) },
				"on_bad_file": func(n *yaml.Node, path string) { choose(p, n, path, &q.OnBadFile, BadFileFail, BadFileSkip) },
			})
			if seen != nil && seen["uri"] == nil {
				p.fail(n, path+".uri", "name a file, a directory or a glob", "field \"uri\" is missing")
			}
			for _, u := range q.URI {
				p.scheme(n, path+".uri", u)
			}
		},
		"range": func(n *yaml.Node, path string) {
			r := &RangeSource{Column: "id", Rows: -1}
			src.Range = r
			p.fields(n, path, map[string]func(*yaml.Node, string){
				"rows":   func(n *yaml.Node, path string) { p.number(n, path, 0, 1<<50, &r.Rows) },
				"column": func(n *yaml.Node, path string) { p.column(n, path, &r.Column) },
			})
			if r.Rows < 0 && len(p.errs) == 0 {
				p.fail(n, path+".rows", "say how many", "field \"rows\" is missing")
			}
		},
	})
	if seen != nil && len(seen) != 1 {
		p.fail(n, path, "one of parquet, range", "a pipeline has one source")
	}
}

// scheme refuses locations that this build cannot reach.
func (p *parser) scheme(n *yaml.Node, path, uri string) {
	scheme, rest, ok := strings.Cut(uri, "://")
	switch {
	case !ok || scheme == "file":
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
			p.text(n, path, &o.Endpoint)
			if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				p.fail(n, path, "for example https://storage.example.com", "%q is not a URL", o.Endpoint)
			} else if u.User != nil {
				p.fail(n, path, "give them by AWS_ACCESS_KEY_ID or AWS_PROFILE", "credentials do not belong into a spec")
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
	if o.KMSKey != "" && o.SSE != "aws:kms" {
		p.fail(n, path+".kms_key", "write sse: aws:kms", "a KMS key is of no use without sse: aws:kms")
	}
	return o
}

func (p *parser) stages(n *yaml.Node, path string) {
	if n.Kind != yaml.SequenceNode {
		p.fail(n, path, "- name: ...", "must be a list of stages")
		return
	}
	names := map[string]int{"source": n.Line, "sink": n.Line}
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		st := StageSpec{node: item, path: at}
		seen := p.fields(item, at, map[string]func(*yaml.Node, string){
			"name":      func(n *yaml.Node, path string) { p.name(n, path, &st.Name) },
			"transform": func(n *yaml.Node, path string) { st.Transform = p.transform(n, path) },
			"external":  func(n *yaml.Node, path string) { st.External = p.external(n, path) },
			"workers":   func(n *yaml.Node, path string) { p.workers(n, path, &st.Workers) },
			"fuse":      func(n *yaml.Node, path string) { choose(p, n, path, &st.Fuse, FuseAuto, FuseNever) },
		})
		if seen == nil {
			continue
		}
		if seen["name"] == nil {
			p.fail(item, at+".name", "every stage has a name: it stands in subjects, books and statistics", "field \"name\" is missing")
		}
		if (seen["transform"] == nil) == (seen["external"] == nil) {
			p.fail(item, at, "one of transform, external", "a stage does one thing")
		}
		if key := seen["workers"]; key != nil && seen["external"] != nil {
			p.fail(key, at+".workers", "leave it out: the process that serves the stage decides", "an external stage has no workers here")
		}
		if line, taken := names[st.Name]; taken {
			hint := fmt.Sprintf("it is used in line %d", line)
			if st.Name == "source" || st.Name == "sink" {
				hint = "source and sink are reserved"
			}
			p.fail(item, at+".name", hint, "stage name %q is taken", st.Name)
		}
		names[st.Name] = item.Line
		p.spec.Stages = append(p.spec.Stages, st)
	}
}

func (p *parser) transform(n *yaml.Node, path string) []OperatorSpec {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.fail(n, path, "- filter: \"amount > 20.0\"", "must be a list of operators")
		return nil
	}
	var ops []OperatorSpec
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		op := OperatorSpec{node: item, path: at}
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
		if seen != nil && len(seen) != 1 {
			p.fail(item, at, "begin each operator with its own -", "one operator an entry")
		}
		ops = append(ops, op)
	}
	return ops
}

func (p *parser) external(n *yaml.Node, path string) *External {
	x := &External{}
	p.fields(n, path, map[string]func(*yaml.Node, string){
		"columns": func(n *yaml.Node, path string) {
			p.pairs(n, path, func(key, val *yaml.Node) {
				c := ColumnSpec{node: val}
				p.column(key, path, &c.Name)
				p.text(val, join(path, key.Value), &c.Type)
				if _, ok := columnTypes[c.Type]; !ok {
					p.fail(val, join(path, key.Value), "one of "+strings.Join(ColumnTypes(), ", "), "type %q is not known", c.Type)
				}
				x.Columns = append(x.Columns, c)
			})
		},
	})
	return x
}

func (p *parser) sink(n *yaml.Node, path string) {
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"parquet": p.parquetSink,
		"fuse":    func(n *yaml.Node, path string) { choose(p, n, path, &p.spec.Sink.Fuse, FuseAuto, FuseNever) },
	})
	if seen != nil && seen["parquet"] == nil {
		p.fail(n, path, "parquet", "a pipeline has one sink")
	}
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
	if seen != nil && seen["uri"] == nil {
		p.fail(n, path+".uri", "name a directory", "field \"uri\" is missing")
	}
}

func (p *parser) compression(n *yaml.Node, path string, to *Compression) {
	level := int64(0)
	if n.Kind == yaml.MappingNode {
		p.fields(n, path, map[string]func(*yaml.Node, string){
			"codec": func(n *yaml.Node, path string) { p.text(n, path, &to.Codec) },
			"level": func(n *yaml.Node, path string) { p.number(n, path, 1, 22, &level) },
		})
	} else {
		var text string
		p.text(n, path, &text)
		codec, lvl, has := strings.Cut(text, ":")
		to.Codec = codec
		if has {
			v, err := strconv.ParseInt(lvl, 10, 64)
			if err != nil || v < 1 || v > 22 {
				p.fail(n, path, "for example zstd:3", "level %q is not a number from 1 to 22", lvl)
			}
			level = v
		}
	}
	to.Level = int(level)
	codecs := []string{"none", "snappy", "zstd"}
	if !slices.Contains(codecs, to.Codec) {
		p.fail(n, path, "one of "+strings.Join(codecs, ", "), "codec %q is not known", to.Codec)
	}
	if to.Level != 0 && to.Codec != "zstd" {
		p.fail(n, path, "leave the level out", "codec %s has no levels", to.Codec)
	}
}

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
	const hint = "for example workers: 4, or workers: { min: 1, max: 8 }"
	if n.Kind == yaml.AliasNode {
		n = n.Alias
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
	if seen["max"] == nil {
		p.fail(n, path+".max", hint, "field \"max\" is missing")
	}
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
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.fail(n, path, "", "must be text")
		return
	}
	if strings.TrimSpace(n.Value) == "" {
		p.fail(n, path, "", "must not be empty")
		return
	}
	*to = n.Value
}

// texts reads one text or a list of them.
func (p *parser) texts(n *yaml.Node, path string) ([]string, []*yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		var s string
		p.text(n, path, &s)
		return []string{s}, []*yaml.Node{n}
	}
	if len(n.Content) == 0 {
		p.fail(n, path, "", "must not be empty")
	}
	out := make([]string, len(n.Content))
	for i, item := range n.Content {
		p.text(item, fmt.Sprintf("%s[%d]", path, i), &out[i])
	}
	return out, n.Content
}

// pairs walks a mapping of names that the user chooses.
func (p *parser) pairs(n *yaml.Node, path string, f func(key, val *yaml.Node)) {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		p.fail(n, path, "name: value", "must be a mapping")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, ok := seen[key.Value]; ok {
			p.fail(key, join(path, key.Value), fmt.Sprintf("it stands in line %d already", line), "%q is repeated", key.Value)
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
	v, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 10, 64)
	if n.Kind != yaml.ScalarNode || err != nil || v < lo || v > hi {
		p.fail(n, path, "", "must be a whole number from %d to %d", lo, hi)
		return
	}
	*to = v
}

func (p *parser) boolean(n *yaml.Node, path string, to *bool) {
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		p.fail(n, path, "", "must be true or false")
		return
	}
	*to = n.Value == "true"
}

func (p *parser) size(n *yaml.Node, path string, lo int64, to *int64) {
	v, err := humanize.ParseBytes(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v > 1<<50 || int64(v) < lo {
		p.fail(n, path, "for example 128MiB", "must be a size of at least %s", humanize.IBytes(uint64(lo))) //nolint:gosec // a positive bound
		return
	}
	*to = int64(v)
}

func (p *parser) duration(n *yaml.Node, path string, lo, hi time.Duration, to *time.Duration) {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < lo || v > hi {
		p.fail(n, path, "for example 30s", "must be a duration from %s to %s", lo, hi)
		return
	}
	*to = v
}

func choose[T ~string](p *parser, n *yaml.Node, path string, to *T, choices ...T) {
	var text string
	p.text(n, path, &text)
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = string(c)
	}
	if text != "" && !slices.Contains(names, text) {
		hint := "one of " + strings.Join(names, ", ")
		if near := nearest(text, names); near != "" {
			hint = fmt.Sprintf("did you mean %q? %s", near, hint)
		}
		p.fail(n, path, hint, "%q is not a choice", text)
		return
	}
	*to = T(text)
}

// Fields lists every field name that a spec may have, sorted: what the reference must
// describe.
func Fields() []string {
	p := &parser{spec: &Spec{}, known: map[string]bool{}}
	mapping := func(keys ...string) *yaml.Node {
		m := &yaml.Node{Kind: yaml.MappingNode}
		for _, k := range keys {
			m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: k}, &yaml.Node{Kind: yaml.MappingNode})
		}
		return m
	}
	p.root(mapping())
	p.source(mapping("parquet", "range"), "")
	p.stages(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{mapping()}}, "")
	p.transform(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{mapping()}}, "")
	p.mask(mapping(), "", &OperatorSpec{})
	p.cast(mapping("column"), "", &OperatorSpec{})
	p.flatten(mapping(), "", &OperatorSpec{})
	p.sample(mapping(), "", &OperatorSpec{})
	p.assert(mapping(), "", &OperatorSpec{})
	p.external(mapping(), "")
	p.sink(mapping("parquet"), "")
	p.compression(mapping(), "", &Compression{})
	p.bloomFilters(mapping(), "", &ParquetSink{})
	p.sortWithin(mapping(), "", &ParquetSink{})
	p.s3(mapping(), "", true)
	p.s3(mapping(), "", false)
	p.policies(mapping(), "")
	p.workers(mapping(), "", &Workers{})
	return slices.Sorted(maps.Keys(p.known))
}
