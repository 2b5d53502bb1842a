package natstest

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFramesAreReadAsTheyWere(t *testing.T) {
	const in = "INFO {\"max_payload\":1}\r\nsub a.b 1\r\nPING\r\nPUB a 2\r\nhi\r\nPUB a r 0\r\n\r\n" +
		"HPUB a r 16 18\r\nNATS/1.0\r\nK:v\r\n\r\nhi\r\nMSG a 1 r 2\r\nhi\r\nHMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n-ERR 'x'\r\n"
	// The header of HPUB is 17 bytes: fixed here so that the sizes above stay readable.
	text := strings.Replace(in, "16 18", "17 19", 1)
	r := bufio.NewReader(strings.NewReader(text))
	var out strings.Builder
	var ops []string
	for {
		f, err := readFrame(r)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		out.Write(f.raw)
		ops = append(ops, f.Op)
		switch f.Op {
		case "HPUB":
			require.Equal(t, "v", f.Header.Get("K"))
			require.Equal(t, "hi", string(f.Payload))
			require.Equal(t, "r", f.Reply)
		case "MSG":
			require.Equal(t, "r", f.Reply)
			require.Equal(t, "hi", string(f.Payload))
		}
		if f.IsMessage() {
			require.Equal(t, "a", f.Subject)
		}
	}
	require.Equal(t, text, out.String())
	require.Equal(t, []string{"INFO", "SUB", "PING", "PUB", "PUB", "HPUB", "MSG", "HMSG", "-ERR"}, ops)
}

func TestMalformedFramesAreErrors(t *testing.T) {
	for _, line := range []string{
		"PUB a\r\n", "PUB a b c 1\r\n", "PUB a x\r\n", "PUB a -1\r\n", "HPUB a 5 1\r\n", "HMSG a 1 x 1\r\n",
		"INFO " + strings.Repeat("x", maxLine+5000) + "\r\n",
	} {
		_, err := readFrame(bufio.NewReader(strings.NewReader(line)))
		require.ErrorIs(t, err, errLine, "%.40q", line)
	}
	_, err := readFrame(bufio.NewReader(strings.NewReader("PUB a 5\r\nhi")))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
