package pipeline

import "cmp"

// minEdge is the least bound of an edge, in bytes: two blocks of the largest size,
// and as much again on their way.
const minEdge = 16 << 20

// Bounds that an edge gets when the spec does not name one.
const (
	smallestDefaultEdge = 64 << 20
	largestDefaultEdge  = 4 << 30
)

// EdgeBytes is the bound of each edge of a run, fixed when it starts. Writers pin
// the blocks of their open files in the edge until they commit; blocks are Arrow,
// two to four times the size of the Parquet they become, and the server keeps what is
// pinned in memory for a while. So an edge holds two target files: enough for files of
// about half the target and more; policies.edge_bytes buys larger ones. storeLeft is what the server's store may still
// reserve (-1: unknown), and edges how many edges share it. The spec's
// policies.edge_bytes wins. A store too small is a [*StoreTooSmallError].
func EdgeBytes(s *Spec, storeLeft int64, edges int) (int64, error) {
	if edges == 0 {
		return 0, nil
	}
	want := s.Policies.EdgeBytes
	explicit := want > 0
	if !explicit {
		target := int64(0)
		if s.Sink.Parquet != nil {
			target = s.Sink.Parquet.TargetFile
		}
		want = min(max(2*target, smallestDefaultEdge), largestDefaultEdge)
	}
	if storeLeft < 0 {
		return want, nil
	}
	fair := storeLeft / int64(edges)
	if want <= fair {
		return want, nil
	}
	if explicit || fair < minEdge {
		return 0, &StoreTooSmallError{Edges: edges, Want: max(want, minEdge), Have: storeLeft}
	}
	return fair, nil
}

// FusedEdges says which edges of a pipeline need no stream when one process plays all
// roles: for each stage the edge before it, and last the one before the sink. Only what
// Levada runs itself can be fused; both sides of an external stage are streams.
func FusedEdges(s *Spec) []bool {
	fused := make([]bool, len(s.Stages)+1)
	for i := range fused {
		own := s.Sink.Fuse
		if i < len(s.Stages) {
			own = s.Stages[i].Fuse
		}
		fused[i] = cmp.Or(own, s.Policies.Fuse, FuseAuto) == FuseAuto &&
			(i == len(s.Stages) || s.Stages[i].External == nil) && (i == 0 || s.Stages[i-1].External == nil)
	}
	return fused
}
