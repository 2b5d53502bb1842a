package pipeline

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/nearest"
)

// Vars are the values of a spec's variables. ${NAME} is the value of NAME, ${NAME:-text}
// is text where NAME has none or is empty, and $${ is ${ itself. Variables stand in keys and values;
// what they are replaced by is one value, whatever characters it has.
type Vars struct {
	Set map[string]string                // outranks Env
	Env func(name string) (string, bool) // nil: nothing more
}

var (
	variable     = regexp.MustCompile(`\$?\$\{[^}]*\}?`)
	bareVariable = regexp.MustCompile(`[{\[][^"'#]*\$\{`)
	variableForm = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?\}$`)
)

const credentialsRemedy = "credentials come from the environment of the processes: AWS_PROFILE, AWS_ACCESS_KEY_ID, or a role"

// secretName is what variables are called that hold secrets.
var secretName = regexp.MustCompile(`(?i)(^|_)(secret|secrets|password|passwd|passphrase|pwd|token|credential|credentials|(access|private|secret|api|mask|hmac|encryption|signing|session|account|sas)_?key)($|_)`)

// holdsCredentials reports that a field of this name would hold a secret.
func holdsCredentials(field string) bool {
	return secretName.MatchString(strings.NewReplacer("-", "_", ".", "_", " ", "_").Replace(field))
}

// expand replaces the variables in all scalars below a node, and returns the text with
// their values. Places stay those of the text as it was written.
func (p *parser) expand(root *yaml.Node, data []byte, vars *Vars) []byte {
	p.spec.unresolved = map[*yaml.Node]bool{}
	e := expansion{parser: p, vars: vars, used: map[string]bool{}}
	e.node(root)
	for _, name := range slices.Sorted(maps.Keys(vars.Set)) {
		if e.used[name] {
			continue
		}
		hint := "the spec has no variables: write ${" + name + "} where the value belongs"
		if names := slices.Sorted(maps.Keys(e.used)); len(names) > 0 {
			hint = "it has " + strings.Join(names, ", ")
			if near := nearest.Of(name, names); near != "" {
				hint = fmt.Sprintf("did you mean %s? %s", near, hint)
			}
		}
		p.errs = append(p.errs, &Error{File: p.spec.file, Msg: fmt.Sprintf("variable %s is set, and the spec does not have it", name), Hint: hint})
	}
	if !e.changed {
		return data
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		p.fail(root, "", "write the values out", "with the values of its variables the spec is no YAML: %s", err)
		return data
	}
	return b.Bytes()
}

type expansion struct {
	*parser
	vars    *Vars
	used    map[string]bool
	changed bool
}

func (e *expansion) node(n *yaml.Node) {
	for _, c := range n.Content {
		e.node(c)
	}
	if n.Kind != yaml.ScalarNode || !strings.Contains(n.Value, "${") {
		return
	}
	n.Value = variable.ReplaceAllStringFunc(n.Value, func(ref string) string { return e.value(n, ref) })
	e.changed = true
}

// value is what a reference becomes; what is wrong with it is reported.
func (e *expansion) value(n *yaml.Node, ref string) string {
	if rest, escaped := strings.CutPrefix(ref, "$$"); escaped {
		return "$" + rest
	}
	report := func(hint, format string, args ...any) string {
		err := e.spec.errorAt(n, "", hint, format, args...)
		if i := strings.Index(err.source, ref); i >= 0 {
			err.Column = len([]rune(err.source[:i])) + 1
		}
		e.errs = append(e.errs, err)
		e.spec.unresolved[n] = true
		return ref
	}
	m := variableForm.FindStringSubmatch(ref)
	if m == nil {
		return report("write ${NAME} or ${NAME:-default}; for ${ itself, $${", "%q is no variable", ref)
	}
	name := m[1]
	e.used[name] = true
	if secretName.MatchString(name) {
		return report("a spec is stored with its run for all to read: "+credentialsRemedy, "variable %s is called like a secret", name)
	}
	val, ok := e.vars.Set[name]
	if !ok && e.vars.Env != nil {
		val, ok = e.vars.Env(name)
	}
	switch {
	case m[2] != "" && val == "":
		return m[3]
	case ok:
		return val
	}
	hint := fmt.Sprintf("give it one with --set %s=VALUE or in the environment, or a default: ${%s:-default}", name, name)
	if near := nearest.Of(name, slices.Sorted(maps.Keys(e.vars.Set))); near != "" {
		hint = fmt.Sprintf("did you mean %s, which is set? %s", near, hint)
	}
	return report(hint, "variable %s has no value", name)
}

// Values that are secrets whatever field they stand in: keys of AWS, PEM, and URLs with
// a password.
var secretValue = regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/@\s:]+:[^/@\s]+@`)

// credentials refuses secrets wherever they stand.
func (p *parser) credentials(n *yaml.Node) {
	for _, c := range n.Content {
		p.credentials(c)
	}
	if n.Kind == yaml.ScalarNode && !p.concealed[n] && secretValue.MatchString(n.Value) {
		p.fail(n, "", credentialsRemedy, "this is a credential, which does not belong into a spec")
		p.conceal(n)
	}
}

// conceal blots a value out of the lines that errors show, this one's and all others'.
func (p *parser) conceal(val *yaml.Node) {
	if p.concealed == nil {
		p.concealed = map[*yaml.Node]bool{}
	}
	p.concealed[val] = true
	if val.Line < 1 || val.Line > len(p.spec.lines) {
		return
	}
	lines := p.spec.lines[val.Line-1:]
	line := []rune(lines[0])
	from, to := min(val.Column-1, len(line)), len(line)
	if val.Kind == yaml.ScalarNode {
		if n := len([]rune(val.Value)) + 2; !strings.Contains(val.Value, "\n") && from+n < to {
			to = from + n
		}
	}
	for i := from; i < to; i++ {
		if val.Kind != yaml.ScalarNode || !strings.ContainsRune(" ,}]", line[i]) {
			line[i] = '*'
		}
	}
	lines[0] = string(line)
}

// sourceIsKnown reports that the source of a draft was understood.
func (s *Spec) sourceIsKnown() bool {
	for _, e := range s.wrong {
		if e.Path == "source" || strings.HasPrefix(e.Path, "source.") {
			return false
		}
	}
	return (s.Source.Parquet == nil) != (s.Source.Range == nil)
}
