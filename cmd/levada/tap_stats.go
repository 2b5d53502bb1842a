package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/traffic"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
)

// statsEvery is how often tap --stats prints a line for each stage.
const statsEvery = time.Second

// traffic prints what passes between the stages of a run until it has ended, the time is
// over, or somebody stops it. All stages are listened to, whichever is shown: a block's
// latency begins at the source.
func (a *app) traffic(ctx context.Context, srv *server, rec *flow.Record, stage string, flags *tapFlags) error {
	tap, err := srv.conn.Tap(flow.TapConfig{Run: rec.Run})
	if err != nil {
		return err
	}
	defer tap.Close()
	stop := ctx
	if flags.last > 0 {
		var cancel context.CancelFunc
		stop, cancel = context.WithTimeout(ctx, flags.last)
		defer cancel()
	}
	names := make([]string, 0, len(rec.Edges))
	for _, e := range rec.Edges {
		names = append(names, e.Stage)
	}
	var (
		shown   = func(f traffic.Flow) bool { return stage != "" && f.Stage != stage }
		out     = traffic.NewPrinter(a.stdout, flags.format == "json", names)
		meter   = traffic.NewMeter(time.Now())
		columns = map[string]string{}
		tick    = time.Now().Add(statsEvery)
		ended   bool
	)
	for stop.Err() == nil && !ended {
		b, err := a.nextUntil(stop, srv, tap, rec.Run, tick)
		switch {
		case errors.Is(err, flow.ErrRunEnded):
			ended = true
		case errors.Is(err, context.DeadlineExceeded), stop.Err() != nil:
		case err != nil:
			return err
		default:
			meter.Observe(&b.Header, b.At, b.Size)
			if columns[b.Stage] == "" {
				columns[b.Stage] = columnsOf(srv.conn, b)
			}
		}
		if now := time.Now(); now.After(tick) || ended || stop.Err() != nil {
			tick = now.Add(statsEvery)
			if err := out.Print(slices.DeleteFunc(meter.Cut(now), shown)); err != nil {
				return err
			}
		}
	}
	if n := tap.Lost(); n > 0 {
		a.note("%s came faster than they were counted, and are missing here; the run has them", figure.Plural(int64(n), "message"))
	}
	return out.Sum(slices.DeleteFunc(meter.Total(time.Now()), shown), columns)
}

// columnsOf names the columns of a block with their types; "" when it has no rows.
func columnsOf(conn *flow.Conn, t *flow.Tapped) string {
	b, err := t.Decode(blocks.DecodeOptions{MaxBytes: conn.MaxPayload()})
	if err != nil || b.Batch == nil {
		return ""
	}
	defer b.Release()
	fields := b.Batch.Schema().Fields()
	texts := make([]string, len(fields))
	for i, f := range fields {
		texts[i] = f.Name + " " + typeName(f)
	}
	return strings.Join(texts, ", ")
}

func typeName(f arrow.Field) string {
	if f.Nullable {
		return f.Type.String() + "?"
	}
	return f.Type.String()
}
