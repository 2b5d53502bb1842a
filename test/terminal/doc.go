// Package terminal runs `levada top` as a person does, on a real terminal: tmux has one of
// a fixed size, types keys, changes the size, and says what stands on the screen.
//
// `make terminal` runs it. It needs tmux.
package terminal
