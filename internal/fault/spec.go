package fault

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// action is what a point was asked to do, and when.
type action struct {
	verb string // kill, pause, error
	path string // of pause

	mu   sync.Mutex
	hits int
	at   int        // the hit that acts, from 1; 0: drawn
	p    float64    // probability of each hit, when at is 0
	rng  *rand.Rand // its source
}

// due counts a hit and reports whether it is one that acts.
func (a *action) due() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hits++
	if a.at > 0 {
		return a.hits == a.at
	}
	return a.rng.Float64() < a.p
}

// parse reads the value of LEVADA_FAULTS.
func parse(spec string, seed uint64) (map[Name][]*action, error) {
	all := map[Name][]*action{}
	for entry := range strings.SplitSeq(spec, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		key, what, ok := strings.Cut(entry, "=")
		if !ok {
			return nil, fmt.Errorf("%q: %w", entry, ErrSyntax)
		}
		name := Name(key)
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%q: %w", key, ErrUnknown)
		}
		a, ok := parseAction(what)
		if !ok {
			return nil, fmt.Errorf("%q: %w", entry, ErrSyntax)
		}
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%s/%d", entry, len(all[name])) // a hash takes every write
		a.rng = rand.New(rand.NewPCG(seed, h.Sum64()))
		all[name] = append(all[name], a)
	}
	return all, nil
}

func parseAction(what string) (*action, bool) {
	a := &action{at: 1}
	when := ""
	if i := strings.IndexAny(what, "@%"); i >= 0 {
		what, when = what[:i], what[i:]
	}
	a.verb = what
	if when != "" && a.verb == "pause" {
		when, a.path, _ = strings.Cut(when, ":")
	}
	var err error
	switch {
	case strings.HasPrefix(when, "@"):
		a.at, err = strconv.Atoi(when[1:])
		if err != nil || a.at < 1 {
			return nil, false
		}
	case strings.HasPrefix(when, "%"):
		a.at = 0
		a.p, err = strconv.ParseFloat(when[1:], 64)
		if err != nil || math.IsNaN(a.p) || a.p < 0 || a.p > 1 {
			return nil, false
		}
	}
	switch a.verb {
	case "kill", "error":
		return a, true
	case "pause":
		return a, a.at > 0 && a.path != ""
	}
	return nil, false
}
