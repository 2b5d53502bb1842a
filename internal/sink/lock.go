package sink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	lockVersion  = 1       // the form of lock files that this build writes and reads
	maxLockBytes = 1 << 16 // a lock is a few lines
)

// Claim is who asks for an output. Only Run decides anything; the rest is for who
// reads the lock.
type Claim struct {
	Run  string    `json:"run"`
	Host string    `json:"host"`
	PID  int       `json:"pid"`
	By   string    `json:"by"` // the instance that planned
	At   time.Time `json:"at"`
}

// Lock says whose an output is. The plan of the run names its nonce.
type Lock struct {
	Version int    `json:"version"`
	Nonce   string `json:"nonce"`
	Claim

	Generation int `json:"-"` // by the file's name
}

// A generation is one lock file, 000007.json. Its release is a second file,
// 000007.released: files are not changed.
type generation struct {
	number           int
	locked, released bool // which of the two files is there
}

func (g generation) lockName() string    { return fmt.Sprintf("%s/%06d.json", lockDir, g.number) }
func (g generation) releaseName() string { return fmt.Sprintf("%s/%06d.released", lockDir, g.number) }

// Acquire takes the output for the run, or returns the lock that the run has
// already: planners race, and planners come back. Whether another run that has not
// let go is over says ended. When it is not, the error is a [*LockedError].
//
//	000001 released ─► 000002 held by a run: ours ─► that one
//	                                         over ─► create 000003 ─► taken? look again
//	                                         else ─► *LockedError
func (s *Sink) Acquire(ctx context.Context, claim Claim, ended func(ctx context.Context, run string) (bool, error)) (Lock, error) {
	if claim.Run != s.run {
		return Lock{}, fmt.Errorf("lock %s: claim of run %q by run %q", s.URI(), claim.Run, s.run)
	}
	for {
		next, held, err := s.contest(ctx, ended)
		if err != nil {
			return Lock{}, fmt.Errorf("lock %s: %w", s.URI(), err)
		}
		if held != nil {
			return *held, nil
		}
		lock := Lock{Version: lockVersion, Nonce: newNonce(), Claim: claim, Generation: next.number}
		data, err := json.MarshalIndent(lock, "", "  ")
		if err != nil {
			return Lock{}, fmt.Errorf("lock %s: %w", s.URI(), err)
		}
		// Rule 21 (one output, one run): of all who found the generation free, the
		// storage lets one create it; the others look again.
		created, err := s.put(ctx, next.lockName(), append(data, '\n'))
		if err != nil {
			return Lock{}, fmt.Errorf("lock %s: %w", s.URI(), err)
		}
		if created {
			return lock, nil
		}
	}
}

// contest returns the generation that the run may try to create, or the lock that
// it holds.
func (s *Sink) contest(ctx context.Context, ended func(ctx context.Context, run string) (bool, error)) (generation, *Lock, error) {
	all, err := s.generations(ctx)
	if err != nil {
		return generation{}, nil, err
	}
	if len(all) == 0 {
		return generation{number: 1}, nil, nil
	}
	current := all[len(all)-1]
	next := generation{number: current.number + 1}
	if current.released || !current.locked {
		return next, nil, nil
	}
	lock, err := s.readLock(ctx, current)
	switch {
	case err != nil:
		return generation{}, nil, err
	case lock.Run == s.run:
		return generation{}, lock, nil
	}
	over, err := ended(ctx, lock.Run)
	if err != nil {
		return generation{}, nil, fmt.Errorf("look whether run %s is over: %w", lock.Run, err)
	}
	// Rule 21 (one output, one run): a run that may still write keeps the output.
	if !over {
		return generation{}, nil, s.lockedBy(lock)
	}
	return next, nil, nil
}

// Holds checks that this process sees the output that the plan's lock was taken on,
// and that no other run has taken it since. The errors are [*NotThisSinkError] and
// [*LockedError].
func (s *Sink) Holds(ctx context.Context, nonce string) error {
	newer, found, err := s.since(ctx, nonce)
	if err != nil {
		return fmt.Errorf("check the lock of %s: %w", s.URI(), err)
	}
	// Rule 20 (who can finish): a directory of the same name on another host has not
	// got the run's temporary files.
	if !found {
		return s.notThis(nonce)
	}
	for _, lock := range newer {
		if lock.Run != s.run {
			return s.lockedBy(lock)
		}
	}
	return nil
}

// Release lets go of the output: of the lock with this nonce, and of every later one
// of the run. Nil when that was done before, or when there is no such lock.
func (s *Sink) Release(ctx context.Context, nonce string) error {
	locks, found, err := s.since(ctx, nonce)
	if err != nil || !found {
		return wrap("release the lock of "+s.URI(), err)
	}
	for _, lock := range locks {
		if lock.Run != s.run {
			continue
		}
		data := fmt.Appendf(nil, "{\"run\": %q, \"nonce\": %q}\n", lock.Run, lock.Nonce)
		if _, err := s.put(ctx, generation{number: lock.Generation}.releaseName(), data); err != nil {
			return wrap("release the lock of "+s.URI(), err)
		}
	}
	return nil
}

// since returns the locks from the one with the nonce on, newest first.
func (s *Sink) since(ctx context.Context, nonce string) (locks []*Lock, found bool, err error) {
	all, err := s.generations(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, g := range slices.Backward(all) {
		if !g.locked {
			continue
		}
		lock, err := s.readLock(ctx, g)
		if err != nil {
			return nil, false, err
		}
		locks = append(locks, lock)
		if lock.Nonce == nonce {
			return locks, true, nil
		}
	}
	return nil, false, nil
}

// generations lists the locks there have been, oldest first.
func (s *Sink) generations(ctx context.Context) ([]generation, error) {
	objects, err := s.bucket.List(ctx, lockDir+"/")
	if err != nil {
		return nil, err
	}
	byNumber := make(map[int]generation)
	for _, o := range objects {
		base := path.Base(o.Name)
		ext := path.Ext(base)
		number, err := strconv.Atoi(strings.TrimSuffix(base, ext))
		if err != nil || number < 1 {
			continue
		}
		g := byNumber[number]
		g.number = number
		g.locked = g.locked || ext == ".json"
		g.released = g.released || ext == ".released"
		byNumber[number] = g
	}
	return slices.SortedFunc(maps.Values(byNumber), func(a, b generation) int { return cmp.Compare(a.number, b.number) }), nil
}

// readLock reads a lock file. One that is unreadable locks the output all the same:
// the error is a [*LockedError].
func (s *Sink) readLock(ctx context.Context, g generation) (*Lock, error) {
	data, err := s.read(ctx, g.lockName(), maxLockBytes)
	if err != nil {
		return nil, err
	}
	lock := Lock{Generation: g.number}
	if err = json.Unmarshal(data, &lock); err == nil {
		switch {
		case lock.Version != lockVersion:
			err = fmt.Errorf("%w: %d, this levada knows %d", ErrVersion, lock.Version, lockVersion)
		case lock.Nonce == "" || lock.Run == "":
			err = errors.New("it names no run")
		}
	}
	if err != nil {
		return nil, &LockedError{Sink: s.URI(), Path: s.where(g.lockName()), Err: err}
	}
	return &lock, nil
}

func (s *Sink) lockedBy(lock *Lock) *LockedError {
	return &LockedError{
		Sink: s.URI(), Run: lock.Run, Host: lock.Host, At: lock.At,
		Path: s.where(generation{number: lock.Generation}.lockName()),
	}
}

func (s *Sink) notThis(nonce string) *NotThisSinkError {
	host, _ := os.Hostname() // only for people
	return &NotThisSinkError{Sink: s.URI(), Host: host, Lock: nonce}
}
