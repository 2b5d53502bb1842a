package top

import (
	"context"
	"os"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"
)

// Program shows a model on a terminal until somebody quits.
type Program struct {
	model  *Model
	chosen func(run string)
	tea    *tea.Program
}

// NewProgram returns the program of a model, which is the program's from now on. out
// must be a terminal; keys are read from in, or from the process' terminal when in is
// none. env is the environment, as os.Environ returns it: it says which colours there
// are. chosen, which must not block, is called with the id of the run that is chosen, as
// often as that may have changed.
func NewProgram(m *Model, in, out *os.File, env []string, chosen func(run string)) *Program {
	p := &Program{model: m, chosen: chosen}
	options := []tea.ProgramOption{tea.WithOutput(out), tea.WithEnvironment(env), tea.WithoutSignalHandler()}
	if term.IsTerminal(int(in.Fd())) {
		options = append(options, tea.WithInput(in))
	}
	p.tea = tea.NewProgram(program{p}, options...)
	return p
}

// Show takes facts. It may be called from any goroutine, also after Run has returned.
func (p *Program) Show(f Facts) { p.tea.Send(f) }

// Run shows the model until somebody quits or ctx ends, and leaves the terminal as it
// was.
func (p *Program) Run(ctx context.Context) error {
	told := context.AfterFunc(ctx, p.tea.Quit)
	defer told()
	_, err := p.tea.Run()
	return err
}

// program makes a Program what bubbletea wants.
type program struct{ *Program }

// Init implements [tea.Model].
func (p program) Init() tea.Cmd { return nil }

// Update implements [tea.Model].
func (p program) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case Facts:
		p.model.Observe(msg)
	case tea.WindowSizeMsg:
		p.model.Resize(msg.Width, msg.Height)
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+z" {
			return p, tea.Suspend
		}
		if p.model.Key(msg.String()) {
			return p, tea.Quit
		}
	}
	p.chosen(p.model.Chosen())
	return p, nil
}

// View implements [tea.Model].
func (p program) View() tea.View {
	v := tea.NewView(p.model.Frame())
	v.AltScreen = true
	v.WindowTitle = "levada top"
	return v
}
