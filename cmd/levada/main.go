// Command levada moves columnar data: Parquet to Parquet, over NATS JetStream,
// exactly once. It is the whole of Levada in one binary: every role as a command of
// its own, all of them in one process for `levada run`, and the commands that look
// at runs. `levada help` lists them.
package main

import (
	"context"
	"os"
)

func main() {
	err := run(untilSignalled(context.Background()), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	if err != nil {
		tell(os.Stderr, err, colours(os.Stderr, os.Getenv))
	}
	os.Exit(exitCode(err))
}
