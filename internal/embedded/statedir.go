package embedded

import "path/filepath"

// DefaultStateDir is where runs keep their state when nobody says otherwise:
// $XDG_STATE_HOME/levada, or ~/.local/state/levada. A relative XDG_STATE_HOME is
// ignored, as its specification demands.
func DefaultStateDir(getenv func(string) string) (string, error) {
	if state := getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "levada"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", ErrNoStateDir
	}
	return filepath.Join(home, ".local", "state", "levada"), nil
}
