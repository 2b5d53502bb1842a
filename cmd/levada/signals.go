package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilSignalled is a context that the first signal to stop ends: commands drain. A second
// one, however soon, ends the process as if nobody had listened. [signal.NotifyContext]
// loses one that comes before its stop has been called.
func untilSignalled(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	heard := make(chan os.Signal, 2)
	signal.Notify(heard, os.Interrupt, syscall.SIGTERM)
	go func() {
		cancel(signalError{<-heard})
		second := <-heard
		signal.Reset(second)
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			_ = p.Signal(second) // there is nobody left to tell
		}
	}()
	return ctx
}

// signalError is why a context ended at a signal. It is [context.Canceled].
type signalError struct{ heard os.Signal }

func (e signalError) Error() string        { return e.heard.String() + " signal received" }
func (e signalError) Is(target error) bool { return target == context.Canceled }
