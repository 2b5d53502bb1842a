package main

import (
	"io"
	"sync"

	"github.com/levada-data/levada/internal/cli/figure"
)

// output is standard output. It keeps the first error of writing there, so that no command
// has to look at each line that it prints: a list of which a part is missing must not end
// like one that is whole.
type output struct {
	to io.Writer

	mu  sync.Mutex
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
		}
	}
	return n, err
}

// Width is how many columns there are, as [figure.Width] asks.
func (o *output) Width() int { return figure.Width(o.to) }

// failed is the first error of writing.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// beneath is the file or pipe itself, for what depends on its being a terminal.
func beneath(w io.Writer) io.Writer {
	if o, ok := w.(*output); ok {
		return o.to
	}
	return w
}
