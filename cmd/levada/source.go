package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/reader"
)

// inspect reads the footers of the source, and so finds what is wrong with the
// pipeline before it runs. What is wrong with the source is a [sourceError].
func inspect(ctx context.Context, spec *pipeline.Spec, block int64) (*reader.Facts, error) {
	facts, err := reader.Inspect(ctx, spec, block)
	if err == nil {
		return facts, nil
	}
	if exitCode(err) != exitFailed || errors.Is(err, context.Canceled) {
		return nil, err
	}
	if e := sourceErrorOf(spec, err); e != nil {
		return nil, &sourceError{pipeline.Errors{e}}
	}
	return nil, usagef("source of %s: %w", spec.Name, err)
}

// sourceError is what a source has that its spec does not fit, at its place in the spec.
// The rest of the spec may be wrong too.
type sourceError struct{ pipeline.Errors }

func (e *sourceError) Unwrap() error { return e.Errors }

// sourceErrorOf places an error of a source in the spec; nil when the spec has no part in
// it.
func sourceErrorOf(spec *pipeline.Spec, err error) *pipeline.Error {
	if spec.Source.Parquet == nil {
		return nil
	}
	if e, ok := errors.AsType[*reader.RefusedError](err); ok {
		return spec.SourceError(e.Field, e.Msg, e.Hint)
	}
	if e, ok := errors.AsType[*storage.Error](err); ok && !storage.IsTransient(err) {
		msg := fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err)
		if errors.Is(err, fs.ErrNotExist) {
			msg = e.Name + ": there is no such file"
		}
		hint := e.Hint
		if hint == "" {
			hint = "check the location"
		}
		return spec.SourceError("uri", msg, hint)
	}
	if parquet.IsDamaged(err) {
		return spec.SourceError("uri", err.Error(), "mend the file or take it away; with on_bad_file: skip it is left out and counted")
	}
	return nil
}
