package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// The formats of a log.
const (
	FormatText = "text" // key=value, for people and grep
	FormatJSON = "json" // one object a line
)

// NewLogger returns a logger that writes to w. level is debug, info, warn or error;
// format is [FormatText] or [FormatJSON]. Anything else is an [ErrSetting].
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	switch strings.ToLower(level) {
	case "debug":
		l = slog.LevelDebug
	case "info":
		l = slog.LevelInfo
	case "warn":
		l = slog.LevelWarn
	case "error":
		l = slog.LevelError
	default:
		return nil, fmt.Errorf("log level %q: %w: it is debug, info, warn or error", level, ErrSetting)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case FormatText:
		return slog.New(slog.NewTextHandler(w, o)), nil
	case FormatJSON:
		return slog.New(slog.NewJSONHandler(w, o)), nil
	default:
		return nil, fmt.Errorf("log format %q: %w: it is %s or %s", format, ErrSetting, FormatText, FormatJSON)
	}
}
