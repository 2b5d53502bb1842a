package report

import (
	"fmt"
	"io"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
)

// Garbage is what a run that has ended has left behind.
type Garbage struct {
	V           int       `json:"v"` // 1
	Run         string    `json:"run"`
	Pipeline    string    `json:"pipeline"`
	Ended       time.Time `json:"ended"`
	Streams     int       `json:"streams"`
	Bytes       int64     `json:"bytes"`       // of the streams
	Temporaries int       `json:"temporaries"` // files or uploads that nobody sees
}

// Collected writes what was removed, or would be.
func Collected(w io.Writer, all []Garbage, dry bool) {
	did := "removed"
	if dry {
		did = "would be removed"
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "nothing to remove")
		return
	}
	t := newTable("", "run", "pipeline", "ended", ">streams", ">bytes", ">temporary files")
	t.without("pipeline", "ended")
	bytes := int64(0)
	for _, g := range all {
		bytes += g.Bytes
		t.add(g.Run, g.Pipeline, g.Ended.Local().Format(time.DateTime), figure.Rows(int64(g.Streams)), figure.Bytes(g.Bytes), figure.Rows(int64(g.Temporaries)))
	}
	t.write(w)
	fmt.Fprintf(w, "%s of %d runs %s; how they ended stays\n", figure.Bytes(bytes), len(all), did)
}
