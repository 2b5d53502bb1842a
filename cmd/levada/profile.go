package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
)

// The files that a profile directory gets.
const (
	profileCPU    = "cpu.pprof"
	profileAllocs = "allocs.pprof"
	profileBlock  = "block.pprof"
	profileTrace  = "trace.out"
)

// blockEvery is how long something must have been blocked to count for one in so many.
const blockEvery = 10_000 // nanoseconds

// profile records where the time of a whole run goes, until the returned function is
// called, which writes the files. dir is made; "" records nothing.
func profile(dir string) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // profiles are no secret
		return nil, fmt.Errorf("profile: %w", err)
	}
	var files []*os.File
	create := func(name string) *os.File {
		f, ferr := os.Create(filepath.Join(dir, name))
		err = errors.Join(err, ferr)
		files = append(files, f)
		return f
	}
	cpu, events := create(profileCPU), create(profileTrace)
	if err == nil {
		err = errors.Join(pprof.StartCPUProfile(cpu), trace.Start(events))
	}
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	runtime.SetBlockProfileRate(blockEvery)
	return func() error {
		pprof.StopCPUProfile()
		trace.Stop()
		for name, file := range map[string]string{"allocs": profileAllocs, "block": profileBlock} {
			if f := create(file); f != nil {
				err = errors.Join(err, pprof.Lookup(name).WriteTo(f, 0))
			}
		}
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		return nil
	}, nil
}
