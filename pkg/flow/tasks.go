package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/levada-data/levada/pkg/ledger"
)

// TaskKind says what a reader is asked to do.
type TaskKind string

// The kinds of tasks.
const (
	TaskPlan TaskKind = "plan" // list the source, append the plan, queue its tasks
	TaskRead TaskKind = "read" // read one task of the plan
)

// Task is a message of the task queue. It asks for work; whether the work is
// owed, the ledger says.
type Task struct {
	Kind  TaskKind `json:"kind"`
	Task  uint32   `json:"task,omitempty"`  // ordinal in the plan, for TaskRead
	Epoch string   `json:"epoch,omitempty"` // nonce of the plan or the requeue entry that asked
}

// DecodeTask reads the payload of a task message. The error wraps [ErrVersion] when the
// task asks for something that this build does not know.
func DecodeTask(data []byte) (Task, error) {
	var t Task
	if err := json.Unmarshal(data, &t); err != nil {
		return Task{}, fmt.Errorf("decode task: %w", err)
	}
	if t.Kind != TaskPlan && t.Kind != TaskRead {
		return Task{}, fmt.Errorf("decode task: %w: kind %.32q, this levada knows %q and %q: use the levada that queued it, or a newer one",
			ErrVersion, string(t.Kind), string(TaskPlan), string(TaskRead))
	}
	return t, nil
}

// enqueue stores tasks for readers. The message id holds the epoch: the same
// tasks of the same epoch are stored once while the server remembers.
func (c *Conn) enqueue(ctx context.Context, r *Record, tasks []Task) error {
	for _, t := range tasks {
		data, err := json.Marshal(t)
		if err != nil {
			return err
		}
		m := &nats.Msg{Subject: TasksSubject(r.Run), Data: data, Header: nats.Header{}}
		m.Header.Set(jetstream.MsgIDHeader, string(t.Kind)+"/"+strconv.FormatUint(uint64(t.Task), 10)+"/"+t.Epoch)
		if err := c.persist(ctx, "queue task", func() error {
			ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
			defer cancel()
			_, err := c.ctl.js.PublishMsg(ctx, m, jetstream.WithExpectStream(tasksStream(r.Run)), jetstream.WithRetryAttempts(0))
			if isMissing(err) {
				if err := c.ensureStream(ctx, c.tasksConfig(r)); err != nil {
					return err
				}
			}
			return err
		}, nil); err != nil {
			return fmt.Errorf("queue task %d: %w", t.Task, err)
		}
	}
	return nil
}

// QueuePlan queues the tasks that the standing plan still owes: what the planner
// does after its plan stands, and the loser of the race with the winner's plan.
func (r *Run) QueuePlan(ctx context.Context) error {
	var tasks []Task
	r.Ledger.View(func(s *ledger.State) { tasks = owed(s) })
	return r.c.enqueue(ctx, &r.Record, tasks)
}

// owed lists the tasks that are not yet settled, in the present epoch.
func owed(s *ledger.State) []Task {
	if s.Plan() == nil {
		return []Task{{Kind: TaskPlan, Epoch: s.Epoch()}}
	}
	var tasks []Task
	for _, n := range s.Owed() {
		tasks = append(tasks, Task{Kind: TaskRead, Task: n, Epoch: s.Epoch()})
	}
	return tasks
}
