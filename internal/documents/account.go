package documents

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Step is where a command is typed or checked: a target of make that CI runs.
type Step string

// The steps. CI stands for .ci/run, Nowhere for none.
const (
	Test       Step = "test"       // cmd/levada
	Documents  Step = "documents"  // test/documents
	Interop    Step = "interop"    // test/interop
	Kubernetes Step = "kubernetes" // test/kubernetes
	Compose    Step = "compose"    // test/compose
	CI         Step = "ci"         // .ci/run itself types it
	Nowhere    Step = "nowhere"
)

// Fate is what becomes of a command.
type Fate struct {
	Step Step
	// Typed says that the step runs the command as it stands but for names that stand for
	// others, on real data; else How says how far it is checked, or why it is not.
	Typed bool
	How   string
}

// rule gives the commands that it takes their fate.
type rule struct {
	Fate
	takes func(c Command, ci map[string]bool) bool
}

// rules are in order: a command has the fate of the first that takes it.
var rules = []rule{
	{Fate{Step: Test, Typed: true}, func(c Command, _ map[string]bool) bool { return c.Where == InBlock && c.Runs("levada", "export") }},
	{Fate{Step: Test, How: "the verb and its flags are there; scripts in cmd/levada type every verb"}, runs("levada")},

	{Fate{Step: CI, Typed: true}, func(c Command, ci map[string]bool) bool { return ci[c.Text] }},
	{Fate{Step: Documents, How: "make -n: the target, its variables and what it needs are there"}, runs("make")},

	{Fate{Step: Documents, Typed: true}, runs("jq", "b3sum", "sha256sum")},
	{Fate{Step: Documents, Typed: true}, runs("nats", "grep")},
	{Fate{Step: Interop, Typed: true}, runs("read_blocks.py")},
	{Fate{Step: Documents, How: "its help is printed by this machine's Python; make compare builds the other"}, begins(".cache/compare/venv/bin/python")},

	{Fate{Step: Compose, Typed: true}, func(c Command, _ map[string]bool) bool {
		return c.Begins("docker", "compose") && (c.Where == InBlock || c.Document == "docker-compose.yml" || c.Document == "docs/operations.md")
	}},
	{Fate{Step: Compose, How: "docker compose config takes its files; tests start the stacks of them under other names"}, begins("docker", "compose")},
	{Fate{Step: Compose, How: "docker compose config takes its variables"}, func(c Command, _ map[string]bool) bool {
		return c.Where == InComment && strings.HasPrefix(c.Document, "deployments/compose/") && c.Begins("export")
	}},
	{Fate{Step: Compose, How: "the step builds the same image with Compose"}, begins("docker", "build")},

	{Fate{Step: Kubernetes, How: "no cluster: what it names is in what kustomize makes, and the inner command is levada's"}, runs("kubectl", "keda-run.sh")},

	{Fate{Step: Nowhere, How: "needs a repository of charts, and a cluster"}, begins("helm", "upgrade")},
	{Fate{Step: Nowhere, How: "says where a file in the repository is from, and fetches it from there again"}, begins("npm", "pack")},
	{Fate{Step: Nowhere, How: "is how a process dies; make chaos kills them so"}, begins("kill", "-9")},
	{Fate{Step: Nowhere, How: "takes what make release leaves where an engine answers; CI releases nothing"}, begins("docker", "load")},
	{Fate{Step: Nowhere, How: "names a mode of a server that is not tried"}, begins("versitygw", "azure")},
}

func runs(programs ...string) func(Command, map[string]bool) bool {
	return func(c Command, _ map[string]bool) bool { return c.Runs(programs...) }
}

// begins takes a program by its path, if that is given, and its first arguments.
func begins(words ...string) func(Command, map[string]bool) bool {
	return func(c Command, _ map[string]bool) bool {
		call := c.Calls[0]
		return len(c.Calls) == 1 && len(call) >= len(words) && slices.Equal(call[:len(words)], words)
	}
}

// Account is every command of the documents and what becomes of it.
type Account struct {
	Entries []Entry
}

// Entry is a command and its fate.
type Entry struct {
	Command
	Fate
}

// Accounted draws up the account of the documents below the root of the repository. It
// reports commands that no rule takes, rules that take no command, and steps that CI does
// not run.
func Accounted(root string) (*Account, error) {
	all, err := Read(root)
	if err != nil {
		return nil, err
	}
	commands, err := Commands(all)
	if err != nil {
		return nil, err
	}
	ci, err := typedByCI(root)
	if err != nil {
		return nil, err
	}
	var (
		a    Account
		used = make([]bool, len(rules))
		errs []error
	)
	for _, c := range commands {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.takes(c, ci) })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%s: nothing types or checks this: give it a test, or a reason for none, in internal/documents/account.go", c))
			continue
		}
		used[i] = true
		a.Entries = append(a.Entries, Entry{c, rules[i].Fate})
	}
	for i, u := range used {
		if !u {
			errs = append(errs, fmt.Errorf("rule %d of internal/documents/account.go takes no command: %+v", i, rules[i].Fate))
		}
		if step := rules[i].Step; step != CI && step != Nowhere && !ci["make "+string(step)] {
			errs = append(errs, fmt.Errorf("CI does not run make %s", step))
		}
	}
	return &a, errors.Join(errs...)
}

// Of are the commands of one step.
func (a *Account) Of(step Step) []Entry {
	var some []Entry
	for _, e := range a.Entries {
		if e.Step == step {
			some = append(some, e)
		}
	}
	return some
}

// String is the account in words: how many, where, and each that is not run with its reason.
func (a *Account) String() string {
	var (
		b         strings.Builder
		typed     int
		documents = map[string]bool{}
	)
	for _, e := range a.Entries {
		documents[e.Document] = true
		if e.Typed {
			typed++
		}
	}
	nowhere := a.Of(Nowhere)
	fmt.Fprintf(&b, "%d commands in %d documents: %d typed, %d checked, %d not run\n", len(a.Entries), len(documents), typed, len(a.Entries)-typed-len(nowhere), len(nowhere))
	for _, step := range []Step{Test, CI, Documents, Interop, Kubernetes, Compose} {
		some := a.Of(step)
		n := 0
		for _, e := range some {
			if e.Typed {
				n++
			}
		}
		fmt.Fprintf(&b, "%4d typed, %3d checked  by %s\n", n, len(some)-n, step)
	}
	for _, e := range nowhere {
		fmt.Fprintf(&b, "     not run  %s: it %s\n", e.Command, e.How)
	}
	return b.String()
}

var step = regexp.MustCompile(`(?m)^step .* make (?:--no-print-directory )?(.*)$`)

// typedByCI are the commands of make that .ci/run types: each target of a step as a command.
func typedByCI(root string) (map[string]bool, error) {
	text, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil {
		return nil, err
	}
	typed := map[string]bool{}
	for _, m := range step.FindAllStringSubmatch(string(text), -1) {
		args, _, _ := strings.Cut(m[1], " #")
		for target := range strings.FieldsSeq(args) {
			if !strings.Contains(target, "=") {
				typed["make "+target] = true
			}
		}
	}
	if len(typed) == 0 {
		return nil, errors.New(".ci/run has no step that makes something")
	}
	return typed, nil
}
