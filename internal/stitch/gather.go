package stitch

import "context"

type gatherer struct{}

func (g *gatherer) close() {}

func (g *gatherer) column(_ context.Context, _ *Layout, _ *Source, _, _ int, name string, _ []uint32, _ *stage) error {
	return refused(name, "rows are not gathered yet")
}
