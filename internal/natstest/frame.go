package natstest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/nats-io/nats.go"
)

// Frame is one operation of the NATS client protocol on its way through a [Proxy]:
// a line, and for messages the header and payload that follow it. It must not be
// changed.
type Frame struct {
	Op      string // upper case: "PUB", "HPUB", "MSG", "HMSG", "SUB", "PING", "INFO", ...
	Subject string // of PUB, HPUB, MSG, HMSG, SUB
	Reply   string // of PUB, HPUB, MSG, HMSG; may be empty
	// Answers is, for a message to a client, the subject of the request that it
	// answers: the last one published by that client with this reply subject.
	Answers string
	Header  nats.Header // of HPUB and HMSG; nil if it has none
	Payload []byte      // of messages, without the header

	raw []byte // as it was read
}

// IsMessage reports whether the frame carries a message.
func (f *Frame) IsMessage() bool {
	switch f.Op {
	case "PUB", "HPUB", "MSG", "HMSG":
		return true
	}
	return false
}

// maxLine bounds a protocol line; INFO and CONNECT are far below it.
const maxLine = 64 << 10

var errLine = errors.New("natstest: malformed protocol line")

// readFrame reads the next frame of either direction.
func readFrame(r *bufio.Reader) (*Frame, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	fields := bytes.Fields(line)
	if len(fields) == 0 {
		return &Frame{raw: line}, nil
	}
	f := &Frame{Op: string(bytes.ToUpper(fields[0])), raw: line}
	args := make([]string, len(fields)-1)
	for i, a := range fields[1:] {
		args[i] = string(a)
	}
	// What stands before the optional reply subject, and how many sizes end the line.
	var before, sizes int
	switch f.Op {
	case "PUB":
		before, sizes = 1, 1
	case "HPUB":
		before, sizes = 1, 2
	case "MSG":
		before, sizes = 2, 1
	case "HMSG":
		before, sizes = 2, 2
	case "SUB":
		if len(args) > 0 {
			f.Subject = args[0]
		}
		return f, nil
	default:
		return f, nil
	}
	switch len(args) {
	case before + sizes:
	case before + sizes + 1:
		f.Reply = args[before]
	default:
		return nil, fmt.Errorf("%w: %s with %d fields", errLine, f.Op, len(args))
	}
	f.Subject = args[0]
	total, err := strconv.Atoi(args[len(args)-1])
	if err != nil || total < 0 {
		return nil, fmt.Errorf("%w: size of %s", errLine, f.Op)
	}
	header := 0
	if sizes == 2 {
		if header, err = strconv.Atoi(args[len(args)-2]); err != nil || header < 0 || header > total {
			return nil, fmt.Errorf("%w: header size of %s", errLine, f.Op)
		}
	}
	f.raw = make([]byte, len(line)+total+2)
	copy(f.raw, line)
	if _, err := io.ReadFull(r, f.raw[len(line):]); err != nil {
		return nil, err
	}
	body := f.raw[len(line) : len(line)+total]
	f.Payload = body[header:]
	if header > 0 {
		if f.Header, err = nats.DecodeHeadersMsg(body[:header]); err != nil {
			return nil, fmt.Errorf("%w: header of %s: %w", errLine, f.Op, err)
		}
	}
	return f, nil
}

// readLine returns the next line with its end, in memory of its own.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxLine:
			return nil, fmt.Errorf("%w: longer than %d bytes", errLine, maxLine)
		}
	}
}
