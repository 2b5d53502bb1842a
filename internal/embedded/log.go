package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// serverLog routes what nats-server says. Its notices are details to us. Its errors
// are warnings: it goes on, and whoever it concerns gets an error of their own.
type serverLog struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal string // the first fatal message: the server cannot go on
}

func (l *serverLog) write(level slog.Level, format string, v []any) {
	ctx := context.Background() //nolint:forbidigo // the server's logger interface has no context
	if l.log.Enabled(ctx, level) {
		l.log.LogAttrs(ctx, level, "nats-server", slog.String("text", fmt.Sprintf(format, v...)))
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.write(slog.LevelWarn, format, v) }

func (l *serverLog) Fatalf(format string, v ...any) {
	l.write(slog.LevelError, format, v)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" {
		l.fatal = fmt.Sprintf(format, v...)
	}
}

func (l *serverLog) died() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
