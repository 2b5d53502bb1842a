package documents

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Where says where in a document a command stands.
type Where string

// The places of commands.
const (
	InBlock   Where = "block"   // in a block of shell: to be typed as it stands
	InText    Where = "text"    // in a sentence, often with words that stand for others
	InComment Where = "comment" // in the comments of a file that is no page
)

// Command is what a document says to type: one statement of a shell.
type Command struct {
	Document string
	Line     int // from 1
	Where    Where
	Text     string
	// Calls are the programs that it runs, each with its arguments as they are written
	// but for quotes. A loop or a pipeline has several.
	Calls [][]string
}

// String names the command by its place.
func (c Command) String() string { return fmt.Sprintf("%s:%d: %s", c.Document, c.Line, c.Text) }

// Program is the name of the first program that c runs.
func (c Command) Program() string { return path.Base(c.Calls[0][0]) }

// Runs reports whether all programs that c runs are among those.
func (c Command) Runs(programs ...string) bool {
	for _, call := range c.Calls {
		if !slices.Contains(programs, path.Base(call[0])) {
			return false
		}
	}
	return true
}

// Begins reports whether the first program of c and its first arguments are these.
func (c Command) Begins(words ...string) bool {
	return c.Program() == words[0] && len(c.Calls[0]) >= len(words) && slices.Equal(c.Calls[0][1:len(words)], words[1:])
}

// programs are those that a document may speak of, in blocks and in the text. The text is
// full of code that is no command, so there it is the first word that tells.
var programs = words(`levada make go docker docker-compose kubectl kustomize helm keda-run.sh nats nats-server read_blocks.py jq
	b3sum sha256sum sha512sum md5sum duckdb python python3 pip pip3 npm npx node cargo brew curl wget git tar unzip gzip zstd cat cp mv rm ls cd mkdir
	chmod export env for while if sh bash zsh fish source sudo apt apt-get apk dnf yum systemctl journalctl kill pkill man ssh scp aws s3cmd mc
	openssl watch timeout find grep sed awk sort head tail less diff tee xargs parquet-tools parquet pqrs perf strace tmux versitygw java mvn`)

// verbs are levada's, which the text says without it: `run --dry-run`.
var verbs = words(`bucket cancel completion dead diff explain fmt gc generate inspect lint man manifest reader ready
	resume run runs scale schema stats status submit tap test top transform validate verify version workers writer`)

var (
	code    = regexp.MustCompile("`([^`]+)`")
	flagged = regexp.MustCompile(`^[a-z][a-z0-9.-]* (.* )?--?[a-z]`)
	comment = regexp.MustCompile(`^\s*# ?([^!].*)?$`)       // and no #!
	usage   = regexp.MustCompile(`^  (  [a-z_]+[.]py .*)$`) // of a program in Python, in its first text
	assigns = regexp.MustCompile(`^([A-Z_]+=\S* )+`)
)

// Commands finds the commands of all documents, in the order in which they stand there. It
// reports code that looks like a command, and that no shell would take for one.
func Commands(all []Document) ([]Command, error) {
	var (
		found []Command
		errs  []error
	)
	for _, d := range all {
		some, err := d.commands()
		found, errs = append(found, some...), append(errs, err)
	}
	return found, errors.Join(errs...)
}

func (d Document) commands() ([]Command, error) {
	var (
		found []Command
		errs  []error
	)
	add := func(text string, line int, where Where) {
		some, err := statements(d.Name, text, line, where)
		found, errs = append(found, some...), append(errs, err)
	}
	if !d.Markdown() {
		d.comments(add)
		return found, errors.Join(errs...)
	}
	blocks, text := d.split()
	for _, b := range blocks {
		switch b.Language {
		case "sh":
			add(b.Text, b.Line, InBlock)
		case "bash", "shell", "console":
			errs = append(errs, fmt.Errorf("%s:%d: a block of shell is called sh here", d.Name, b.Line))
		default:
			if first, _, _ := strings.Cut(b.Text, "\n"); programs[firstWord(first)] && b.Language == "" {
				errs = append(errs, fmt.Errorf("%s:%d: call the block sh: it begins with a command, %s", d.Name, b.Line, first))
			}
		}
	}
	for i, line := range text {
		for _, m := range code.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(m[1], " ") {
				continue // the name of a program is no command
			}
			switch first := firstWord(m[1]); {
			case programs[first]:
				add(m[1], i+1, InText)
			case verbs[first] && flagged.MatchString(m[1]):
				add("levada "+m[1], i+1, InText)
			case flagged.MatchString(m[1]):
				errs = append(errs, fmt.Errorf("%s:%d: `%s` looks like a command of a program that commands.go does not know", d.Name, i+1, m[1]))
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Command) int { return a.Line - b.Line })
	return found, errors.Join(errs...)
}

// comments adds the commands that comments say to type: set off by two more spaces, in the
// first line, or as code. Those of the script itself are no commands of a reader.
func (d Document) comments(add func(text string, line int, where Where)) {
	lines := strings.Split(d.Text, "\n")
	says := comment
	if strings.HasSuffix(d.Name, ".py") {
		says = usage
	}
	for i := 0; i < len(lines); i++ {
		m := says.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		for _, c := range code.FindAllStringSubmatch(m[1], -1) {
			if strings.Contains(c[1], " ") && programs[firstWord(c[1])] {
				add(c[1], i+1, InComment)
			}
		}
		if !programs[firstWord(m[1])] || i > 0 && !strings.HasPrefix(m[1], "  ") {
			continue
		}
		text, at := strings.TrimSpace(m[1]), i+1
		for strings.HasSuffix(text, `\`) && i+1 < len(lines) {
			i++
			text = strings.TrimSuffix(text, `\`) + strings.TrimSpace(comment.FindStringSubmatch(lines[i])[1])
		}
		add(text, at, InComment)
	}
}

// statements takes a text of shell apart.
func statements(document, text string, line int, where Where) ([]Command, error) {
	// A word in [ ] may be left out, and ... stands for more: neither means that to a shell.
	plain := text
	if where != InBlock {
		plain = strings.NewReplacer("[", "", "]", "").Replace(text)
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(plain), document)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: `%s` is not what a shell takes: %w", document, line, text, err)
	}
	var found []Command
	for _, s := range file.Stmts {
		c := Command{
			Document: document, Where: where, Line: line + int(s.Pos().Line()) - 1,
			Text: plain[s.Pos().Offset():s.End().Offset()],
		}
		syntax.Walk(s, func(n syntax.Node) bool {
			if d, ok := n.(*syntax.DeclClause); ok {
				c.Calls = append(c.Calls, []string{d.Variant.Value})
			}
			if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) > 0 {
				c.Calls = append(c.Calls, literals(plain, call.Args))
			}
			return true
		})
		if len(c.Calls) == 0 {
			return nil, fmt.Errorf("%s:%d: `%s` runs nothing", document, c.Line, c.Text)
		}
		found = append(found, c)
	}
	return found, nil
}

// literals are words as they are written, without the quotes around them.
func literals(text string, args []*syntax.Word) []string {
	var all []string
	for _, w := range args {
		all = append(all, strings.Trim(text[w.Pos().Offset():w.End().Offset()], `'"`))
	}
	return all
}

// firstWord is the name of the program that a text runs.
func firstWord(text string) string {
	text = assigns.ReplaceAllString(strings.TrimSpace(text)+" ", "")
	word, _, _ := strings.Cut(text, " ")
	return path.Base(word)
}

func words(text string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		set[w] = true
	}
	return set
}
