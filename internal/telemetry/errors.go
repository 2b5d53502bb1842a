package telemetry

import "errors"

// ErrSetting is what errors of [NewLogger] are that come from a setting nobody
// knows, not from the environment.
var ErrSetting = errors.New("unknown setting")
