package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// readyCommand is a health check for images that hold nothing but levada.
func (a *app) readyCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Ask a service whether it can work",
		Long: `Asks a reader, transform or writer that was started with --http whether it is connected
and takes work: /readyz, for health checks of containers. Exits with 3 and the reason
when it does not.`,
		Example: "  levada ready --http 127.0.0.1:8080",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := ready(cmd.Context(), addr); err != nil {
				return environmentf("not ready: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&addr, "http", "127.0.0.1:8080", "the service's own --http; without a host it is this one")
	return cmd
}

// readyTime bounds the question: a service that hangs is not ready.
const readyTime = 3 * time.Second

func ready(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(fmt.Sprintf("%s: %s", res.Status, body)))
	}
	return nil
}
