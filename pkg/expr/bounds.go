package expr

import (
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// statistics gives what is known of a column; false when nothing is.
type statistics func(column string) (Stats, bool)

// bounds is what a node can be in the rows of a group: a superset, always. Every
// value that is neither null nor NaN lies between lo and hi (of its kind); if
// that leaves none, empty is set.
type bounds struct {
	kind         kind
	empty        bool // no value but null (and NaN, where nan is set)
	loInt, hiInt int64
	loNum, hiNum float64
	loStr, hiStr string
	topStr       bool // hiStr means nothing: no upper bound
	canTrue      bool
	canFalse     bool
	null         bool // can be null
	nan          bool // can be NaN
	fails        bool // can raise a row error
}

// anything is the bounds of a value of which nothing is known, except that it
// raises no error.
func anything(k kind) bounds {
	b := bounds{kind: k, null: true, nan: k == kindDouble}
	return b.unbounded()
}

// unbounded lifts the limits on the values.
func (b bounds) unbounded() bounds {
	b.empty = false
	b.loInt, b.hiInt = math.MinInt64, math.MaxInt64
	b.loNum, b.hiNum = math.Inf(-1), math.Inf(1)
	b.loStr, b.topStr = "", true
	b.canTrue, b.canFalse = b.kind == kindBool, b.kind == kindBool
	return b
}

// valued says whether the node can have a value at all.
func (b bounds) valued() bool { return !b.empty || b.nan }

func (c *columnNode) bounds(stats statistics) bounds {
	b := anything(c.column.kind)
	b.fails = c.column.err != nil
	s, ok := stats(c.column.name)
	if !ok || !s.Exact {
		return b
	}
	b.null = s.Nulls != 0
	if s.Rows > 0 && s.Nulls >= s.Rows {
		b.empty, b.nan, b.fails, b.canTrue, b.canFalse = true, false, false, false, false
		return b
	}
	switch c.column.kind.storage() {
	case storeInts:
		lo, okLo := c.bound(s.Min)
		hi, okHi := c.bound(s.Max)
		if okLo && okHi && lo <= hi {
			b.loInt, b.hiInt = lo, hi
			b.fails = false // between two values that fit, all fit
		}
	case storeFloats:
		lo, okLo := s.Min.(float64)
		hi, okHi := s.Max.(float64)
		if okLo && okHi && lo <= hi { // a NaN makes both worthless
			b.loNum, b.hiNum = lo, hi
		}
	case storeStrings:
		lo, okLo := s.Min.(string)
		hi, okHi := s.Max.(string)
		if okLo && okHi && lo <= hi {
			b.loStr, b.hiStr, b.topStr = lo, hi, false
		}
	case storeBits:
		lo, okLo := s.Min.(bool)
		hi, okHi := s.Max.(bool)
		if okLo && okHi && (hi || !lo) {
			b.canFalse, b.canTrue = !lo, hi
		}
	case storeDecimals, storeNone:
	}
	return b
}

// bound is a limit of the statistics as the language sees it; like a value of
// the column it is rounded down. false: of no use, or outside of what fits.
func (c *columnNode) bound(v any) (int64, bool) {
	_, unsigned := c.column.typ.(*arrow.Uint64Type)
	switch x := v.(type) {
	case int64:
		return x, c.column.kind == kindInt && (x >= 0 || !unsigned)
	case uint64:
		return int64(x), c.column.kind == kindInt && x <= math.MaxInt64 //nolint:gosec // compared beside
	case time.Duration:
		return floorDiv(int64(x), 1000), c.column.kind == kindDuration
	case time.Time:
		if y := x.Year(); c.column.kind != kindTimestamp || y < -200_000 || y > 200_000 {
			return 0, false
		}
		return x.UnixMicro(), true
	}
	return 0, false
}

func (c *constantNode) bounds(statistics) bounds {
	b := bounds{kind: c.kind}
	switch c.kind.storage() {
	case storeInts:
		b.loInt, b.hiInt = c.vector.ints[0], c.vector.ints[0]
	case storeFloats:
		b.loNum, b.hiNum = c.vector.floats[0], c.vector.floats[0]
		if math.IsNaN(b.loNum) {
			b.nan, b.empty = true, true
		}
	case storeStrings:
		b.loStr, b.hiStr = c.vector.strs[0], c.vector.strs[0]
	case storeBits:
		b.canTrue = c.vector.bits.has(0)
		b.canFalse = !b.canTrue
	case storeDecimals, storeNone:
	}
	return b
}

func (s *spreadNode) bounds(stats statistics) bounds { return s.constant.bounds(stats) }

// bounds of a strict operation: null where an argument is, failing where an
// argument fails, and else what the signature says; nothing, where it is silent.
func (c *callNode) bounds(stats statistics) bounds {
	result := bounds{kind: c.kind}
	args := make([]bounds, 0, len(c.args))
	valued := true
	for _, a := range c.args {
		b := a.bounds(stats)
		args = append(args, b)
		result.null = result.null || b.null
		result.fails = result.fails || b.fails
		valued = valued && b.valued()
	}
	if !valued {
		result.empty, result.null = true, true
		return result
	}
	var own bounds
	if c.derive != nil {
		own = c.derive(args)
	} else {
		own = anything(c.kind)
		own.null, own.fails = false, c.fallible
	}
	own.kind = c.kind
	own.null = own.null || result.null
	if c.lenient {
		own.null, own.fails = own.null || own.fails, false
	}
	own.fails = own.fails || result.fails
	return own
}

func (n *logicNode) bounds(stats statistics) bounds {
	l, r := n.left.bounds(stats), n.right.bounds(stats)
	decides, passes := l.canFalse, l.canTrue
	if n.or {
		decides, passes = l.canTrue, l.canFalse
	}
	b := bounds{kind: kindBool, fails: l.fails}
	if !passes && !l.null { // the right side is never evaluated
		b.canTrue, b.canFalse = l.canTrue, l.canFalse
		return b
	}
	b.fails = b.fails || r.fails
	if n.or {
		b.canTrue = decides || r.canTrue
		b.canFalse = passes && r.canFalse
	} else {
		b.canFalse = decides || r.canFalse
		b.canTrue = passes && r.canTrue
	}
	b.null = l.null || r.null
	b.empty = !b.canTrue && !b.canFalse
	return b
}

func (n *chooseNode) bounds(stats statistics) bounds {
	c := n.condition.bounds(stats)
	null := bounds{kind: n.kind, empty: true, null: true}
	b := bounds{kind: n.kind, empty: true, null: c.null, fails: c.fails}
	if c.canTrue {
		yes := null
		if n.yes != nil {
			yes = n.yes.bounds(stats)
		}
		b = b.or(yes)
	}
	if c.canFalse {
		no := null
		if n.no != nil {
			no = n.no.bounds(stats)
		}
		b = b.or(no)
	}
	return b
}

func (n *coalesceNode) bounds(stats statistics) bounds {
	a := n.a.bounds(stats)
	if !a.null {
		return a
	}
	b := n.b.bounds(stats)
	null := b.null
	b = b.or(a)
	b.null = null
	return b
}

func (n *nullIfNode) bounds(stats statistics) bounds {
	a, b := n.a.bounds(stats), n.b.bounds(stats)
	a.null = true
	a.fails = a.fails || b.fails
	return a
}

func (n *isNullNode) bounds(stats statistics) bounds {
	of := n.of.bounds(stats)
	return bounds{kind: kindBool, canTrue: of.null, canFalse: of.valued(), fails: of.fails}
}

// or is what is within b or within o.
func (b bounds) or(o bounds) bounds {
	out := bounds{
		kind:  b.kind,
		empty: b.empty && o.empty,
		null:  b.null || o.null, nan: b.nan || o.nan, fails: b.fails || o.fails,
		canTrue: b.canTrue || o.canTrue, canFalse: b.canFalse || o.canFalse,
	}
	switch {
	case b.empty:
		out.loInt, out.hiInt, out.loNum, out.hiNum = o.loInt, o.hiInt, o.loNum, o.hiNum
		out.loStr, out.hiStr, out.topStr = o.loStr, o.hiStr, o.topStr
	case o.empty:
		out.loInt, out.hiInt, out.loNum, out.hiNum = b.loInt, b.hiInt, b.loNum, b.hiNum
		out.loStr, out.hiStr, out.topStr = b.loStr, b.hiStr, b.topStr
	default:
		out.loInt, out.hiInt = min(b.loInt, o.loInt), max(b.hiInt, o.hiInt)
		out.loNum, out.hiNum = min(b.loNum, o.loNum), max(b.hiNum, o.hiNum)
		out.loStr, out.hiStr, out.topStr = min(b.loStr, o.loStr), max(b.hiStr, o.hiStr), b.topStr || o.topStr
	}
	return out
}

// ranking is how the values of two nodes can compare.
type ranking struct{ less, equal, greater, unordered bool }

// rank compares the values of two bounds of one kind.
func rank(a, b bounds) ranking {
	if a.kind == kindBool {
		return ranking{
			equal:   a.canTrue && b.canTrue || a.canFalse && b.canFalse,
			less:    a.canFalse && b.canTrue,
			greater: a.canTrue && b.canFalse,
		}
	}
	r := ranking{unordered: a.nan || b.nan}
	if a.empty || b.empty {
		return r
	}
	switch a.kind.storage() {
	case storeInts:
		r.less = a.loInt < b.hiInt
		r.greater = a.hiInt > b.loInt
		r.equal = a.loInt <= b.hiInt && b.loInt <= a.hiInt
	case storeFloats:
		r.less = a.loNum < b.hiNum
		r.greater = a.hiNum > b.loNum
		r.equal = a.loNum <= b.hiNum && b.loNum <= a.hiNum
	case storeStrings:
		r.less = b.topStr || a.loStr < b.hiStr
		r.greater = a.topStr || a.hiStr > b.loStr
		r.equal = (b.topStr || a.loStr <= b.hiStr) && (a.topStr || b.loStr <= a.hiStr)
	case storeBits, storeDecimals, storeNone:
	}
	return r
}

// comparing makes the bounds of a comparison of what it says about each outcome.
func comparing(less, equal, greater, unordered bool) func([]bounds) bounds {
	return func(args []bounds) bounds {
		r := rank(args[0], args[1])
		var b bounds
		for _, outcome := range []struct{ can, holds bool }{
			{r.less, less}, {r.equal, equal}, {r.greater, greater}, {r.unordered, unordered},
		} {
			if outcome.can {
				b.canTrue = b.canTrue || outcome.holds
				b.canFalse = b.canFalse || !outcome.holds
			}
		}
		return b
	}
}

func notBounds(args []bounds) bounds {
	return bounds{canTrue: args[0].canFalse, canFalse: args[0].canTrue}
}

// intBounds makes the bounds of an operation on ints that is monotonic in each
// argument, so that its extremes are at the corners; a corner that overflows
// makes it fail.
func intBounds(op func(a, b int64) int64, overflows func(a, b int64) bool) func([]bounds) bounds {
	return func(args []bounds) bounds {
		a, b := args[0], args[1]
		var out bounds
		for i, x := range []int64{a.loInt, a.hiInt} {
			for j, y := range []int64{b.loInt, b.hiInt} {
				if overflows(x, y) {
					out.fails = true
					return out.unbounded()
				}
				r := op(x, y)
				if i == 0 && j == 0 {
					out.loInt, out.hiInt = r, r
				}
				out.loInt, out.hiInt = min(out.loInt, r), max(out.hiInt, r)
			}
		}
		return out
	}
}

// floatBounds is the same for floats. Rounding is monotonic, so the corners hold.
func floatBounds(op func(a, b float64) float64) func([]bounds) bounds {
	return func(args []bounds) bounds {
		a, b := args[0], args[1]
		out := bounds{nan: a.nan || b.nan}
		if a.empty || b.empty {
			out.empty = true // one side is always NaN
			return out
		}
		infinite := math.IsInf(a.loNum, 0) || math.IsInf(a.hiNum, 0) || math.IsInf(b.loNum, 0) || math.IsInf(b.hiNum, 0)
		out.loNum, out.hiNum = math.Inf(1), math.Inf(-1)
		for _, x := range []float64{a.loNum, a.hiNum} {
			for _, y := range []float64{b.loNum, b.hiNum} {
				r := op(x, y)
				if math.IsNaN(r) {
					out.nan = true
					return out.unbounded()
				}
				out.loNum, out.hiNum = min(out.loNum, r), max(out.hiNum, r)
			}
		}
		out.nan = out.nan || infinite // Inf - Inf, 0 * Inf, Inf / Inf
		return out
	}
}

// divideBounds is the bounds of /, which fails where the divisor can be zero.
func divideBounds(args []bounds) bounds {
	b := args[1]
	if !b.empty && b.loNum <= 0 && b.hiNum >= 0 {
		out := bounds{fails: true, nan: true}
		return out.unbounded()
	}
	return floatBounds(func(x, y float64) float64 { return x / y })(args)
}

// modIntBounds is the bounds of % for ints.
func modIntBounds(args []bounds) bounds {
	a, b := args[0], args[1]
	out := bounds{fails: b.loInt <= 0 && b.hiInt >= 0}
	out = out.unbounded()
	if a.loInt >= 0 {
		out.loInt = 0
	}
	if a.hiInt <= 0 {
		out.hiInt = 0
	}
	if b.loInt > math.MinInt64 {
		limit := max(-b.loInt, b.hiInt, b.loInt) - 1
		out.loInt, out.hiInt = max(out.loInt, -limit), min(out.hiInt, limit)
	}
	return out
}

// modFloatBounds says only whether % for floats can fail.
func modFloatBounds(args []bounds) bounds {
	b := args[1]
	out := bounds{nan: true, fails: !b.empty && b.loNum <= 0 && b.hiNum >= 0}
	return out.unbounded()
}

func negateIntBounds(args []bounds) bounds {
	a := args[0]
	if a.loInt == math.MinInt64 {
		out := bounds{fails: true}
		return out.unbounded()
	}
	return bounds{loInt: -a.hiInt, hiInt: -a.loInt}
}

func negateFloatBounds(args []bounds) bounds {
	a := args[0]
	return bounds{empty: a.empty, nan: a.nan, loNum: -a.hiNum, hiNum: -a.loNum}
}

func absIntBounds(args []bounds) bounds {
	a := args[0]
	switch {
	case a.loInt == math.MinInt64:
		out := bounds{fails: true}
		return out.unbounded()
	case a.loInt >= 0:
		return a
	case a.hiInt <= 0:
		return bounds{loInt: -a.hiInt, hiInt: -a.loInt}
	}
	return bounds{hiInt: max(-a.loInt, a.hiInt)}
}

func absFloatBounds(args []bounds) bounds {
	a := args[0]
	switch {
	case a.loNum >= 0:
		return a
	case a.hiNum <= 0:
		return negateFloatBounds(args)
	}
	return bounds{empty: a.empty, nan: a.nan, hiNum: max(-a.loNum, a.hiNum)}
}

// monotonic makes the bounds of a function of one float that never falls.
func monotonic(fn func(float64) float64) func([]bounds) bounds {
	return func(args []bounds) bounds {
		a := args[0]
		return bounds{empty: a.empty, nan: a.nan, loNum: fn(a.loNum), hiNum: fn(a.hiNum)}
	}
}

func widenBounds(args []bounds) bounds {
	return bounds{kind: kindDouble, loNum: float64(args[0].loInt), hiNum: float64(args[0].hiInt)}
}

// partBounds is the bounds of a part of a timestamp that never falls: the year.
func partBounds(part func(int64) int64) func([]bounds) bounds {
	return func(args []bounds) bounds {
		return bounds{loInt: part(args[0].loInt), hiInt: part(args[0].hiInt)}
	}
}

// within makes the bounds of a function whose result always lies in [lo, hi].
func within(lo, hi int64) func([]bounds) bounds {
	return func([]bounds) bounds { return bounds{loInt: lo, hiInt: hi} }
}

// startsWithBounds: the strings that start with p are those from p on up to the
// first that does not.
func startsWithBounds(args []bounds) bounds {
	s, p := args[0], args[1]
	b := bounds{canTrue: true, canFalse: true}
	if p.topStr || p.loStr != p.hiStr || s.empty {
		return b
	}
	prefix := p.loStr
	below := !s.topStr && s.hiStr < prefix
	above := s.loStr > prefix && (len(s.loStr) < len(prefix) || s.loStr[:len(prefix)] != prefix)
	b.canTrue = !below && !above
	return b
}

// extremeBounds makes the bounds of min and max of two.
func extremeBounds(ints func(a, b int64) int64, nums func(a, b float64) float64, strs func(a, b string) string, highest bool) func([]bounds) bounds {
	return func(args []bounds) bounds {
		a, b := args[0], args[1]
		out := bounds{nan: a.nan || b.nan}
		if a.empty || b.empty {
			out.empty = true // NaN wins
			return out
		}
		out.loInt, out.hiInt = ints(a.loInt, b.loInt), ints(a.hiInt, b.hiInt)
		out.loNum, out.hiNum = nums(a.loNum, b.loNum), nums(a.hiNum, b.hiNum)
		out.loStr = strs(a.loStr, b.loStr)
		switch {
		case !a.topStr && !b.topStr:
			out.hiStr = strs(a.hiStr, b.hiStr)
		case highest || a.topStr && b.topStr:
			out.topStr = true
		case a.topStr:
			out.hiStr = b.hiStr
		default:
			out.hiStr = a.hiStr
		}
		return out
	}
}
