package blocks

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is the version of the format that this build writes and reads.
const Version = "1"

// Limits of a block's headers.
const (
	// MaxSpanRows is the most source rows that one block may cover.
	MaxSpanRows = 1 << 22
	// MaxHeaderBytes bounds the headers of a block, names and values together. The
	// server bounds all headers of a message at 64 KiB.
	MaxHeaderBytes = 48 << 10

	maxToken    = 64  // run, stage, attempt, plan, epoch
	maxOperator = 128 // the name of an operator
	maxTrace    = 128
)

// The names of the headers. NATS compares names byte by byte.
const (
	HeaderVersion  = "Levada-Version"
	HeaderRun      = "Levada-Run"
	HeaderStage    = "Levada-Stage"
	HeaderSpan     = "Levada-Span"
	HeaderAttempt  = "Levada-Attempt"
	HeaderPlan     = "Levada-Plan"
	HeaderEpoch    = "Levada-Epoch"
	HeaderRows     = "Levada-Rows"
	HeaderDropped  = "Levada-Dropped"
	HeaderDead     = "Levada-Dead"
	HeaderSchema   = "Levada-Schema"
	HeaderChecksum = "Levada-Checksum"
	HeaderTrace    = "traceparent"
	HeaderPad      = "Levada-Pad" // see [Align]
)

const checksumPrefix = "xxh3:"

// Header is what a block says about itself. [Encode] fills Rows, Schema and
// Checksum; the stage that made the block fills the rest, copying Run, Span, Plan
// and Epoch from the block that came in, and appending to Dropped and Dead.
type Header struct {
	Run     string // the run's id
	Stage   string // the stage that made the block
	Span    Span   // the source rows it covers, at most [MaxSpanRows]
	Attempt string // random, new each time a stage processes a block
	Plan    string // the plan that the span belongs to
	Epoch   string // the plan's or the last requeue's nonce

	Rows    int64  // rows in the batch
	Dropped []Drop // rows dropped on purpose, by operator, in the order of the pipeline
	Dead    []Dead // rows that became dead letters

	Schema   Fingerprint // of the batch
	Checksum uint64      // xxh3-64 of the payload
	Trace    string      // W3C traceparent; "" for none
}

// Drop counts the rows of a block's span that an operator dropped on purpose.
type Drop struct {
	Operator string // stage/kind[index], for example "protect/filter[2]"
	Rows     int64  // at least one
}

// Dead names the rows of a block's span that became dead letters in one attempt
// of a stage. They count once a ledger entry names that attempt.
type Dead struct {
	Stage, Attempt string
	Offsets        []uint32 // from the span's first row, strictly ascending, not empty
}

// ID returns the block's identity in its edge, stage/span/epoch. It is the same
// for every attempt at the block; a stage publishes under it as message id.
func (h *Header) ID() string { return h.Stage + "/" + h.Span.String() + "/" + h.Epoch }

// DeadRows returns how many rows of the span are dead letters.
func (h *Header) DeadRows() int64 {
	var n int64
	for _, d := range h.Dead {
		n += int64(len(d.Offsets))
	}
	return n
}

// DroppedRows returns how many rows of the span were dropped on purpose.
func (h *Header) DroppedRows() int64 {
	var n int64
	for _, d := range h.Dropped {
		n += d.Rows
	}
	return n
}

// Format writes the header as [ParseHeader] reads it. A header that ParseHeader
// would refuse is refused here, with the same errors.
func (h *Header) Format() (map[string][]string, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	w := headerWriter{
		header: make(map[string][]string, 16), // ours, the message id, and what the transport adds
		values: make([]string, 0, 14),
	}
	w.set(HeaderVersion, Version)
	w.set(HeaderRun, h.Run)
	w.set(HeaderStage, h.Stage)
	w.set(HeaderSpan, h.Span.String())
	w.set(HeaderAttempt, h.Attempt)
	w.set(HeaderPlan, h.Plan)
	w.set(HeaderEpoch, h.Epoch)
	w.set(HeaderRows, strconv.FormatInt(h.Rows, 10))
	if len(h.Dropped) > 0 {
		w.set(HeaderDropped, formatDropped(h.Dropped))
	}
	if len(h.Dead) > 0 {
		w.set(HeaderDead, formatDead(h.Dead))
	}
	w.set(HeaderSchema, string(h.Schema))
	w.set(HeaderChecksum, formatChecksum(h.Checksum))
	if h.Trace != "" {
		w.set(HeaderTrace, h.Trace)
	}
	if w.size > MaxHeaderBytes {
		return nil, fmt.Errorf("%w: %d bytes exceed %d: %d dead rows are too scattered to list, settle the whole span as dead",
			ErrHeader, w.size, MaxHeaderBytes, h.DeadRows())
	}
	return w.header, nil
}

// headerWriter gives all values one backing array: a block's header is made for
// every block.
type headerWriter struct {
	header map[string][]string
	values []string
	size   int
}

func (w *headerWriter) set(name, value string) {
	w.values = append(w.values, value)
	n := len(w.values)
	w.header[name] = w.values[n-1 : n : n]
	w.size += len(name) + len(value)
}

// ParseHeader reads and checks the headers of a block. Each must be there once
// (the message id, the padding, and names it does not know may be anything); the
// rows must add up. Its errors wrap [ErrVersion], [ErrHeader], [ErrSpan] or
// [ErrAccounting]. It allocates no more than [MaxSpanRows] offsets.
//
// A trace context that cannot be used is dropped: tracing never stops data.
func ParseHeader(header map[string][]string) (Header, error) {
	r := headerReader{header: header}
	if v := r.get(HeaderVersion, true); r.err == nil && v != Version {
		return Header{}, fmt.Errorf("%w: header %s is %.16q, this build reads %q: use the build that wrote it, or a newer one", ErrVersion, HeaderVersion, v, Version)
	}
	h := Header{
		Run:     r.get(HeaderRun, true),
		Stage:   r.get(HeaderStage, true),
		Span:    parseAs(&r, HeaderSpan, ParseSpan),
		Attempt: r.get(HeaderAttempt, true),
		Plan:    r.get(HeaderPlan, true),
		Epoch:   r.get(HeaderEpoch, true),
		Rows:    parseAs(&r, HeaderRows, parseRows),
		Schema:  parseAs(&r, HeaderSchema, parseFingerprint),
	}
	h.Checksum = parseAs(&r, HeaderChecksum, parseChecksum)
	dropped, dead := r.get(HeaderDropped, false), r.get(HeaderDead, false)
	if r.err != nil {
		return Header{}, r.err
	}
	if trace := header[HeaderTrace]; len(trace) == 1 && isTrace(trace[0]) {
		h.Trace = trace[0]
	}
	// The lists come last: what they may claim is bounded by the span.
	if err := h.checkScalars(); err != nil {
		return Header{}, err
	}
	var err error
	if h.Dropped, err = parseDropped(dropped); err != nil {
		return Header{}, fmt.Errorf("header %s: %w", HeaderDropped, err)
	}
	room := h.Span.Rows() - h.Rows
	for _, d := range h.Dropped {
		if room -= d.Rows; room < 0 {
			return Header{}, h.accountingError()
		}
	}
	if h.Dead, err = parseDead(dead, h.Span.Rows(), room); err != nil {
		return Header{}, fmt.Errorf("header %s: %w", HeaderDead, err)
	}
	if err := h.checkLists(); err != nil {
		return Header{}, err
	}
	return h, nil
}

// headerReader keeps the first error, so that reading a header is a list of
// names.
type headerReader struct {
	header map[string][]string
	size   int
	err    error
}

func (r *headerReader) get(name string, required bool) string {
	values := r.header[name]
	switch {
	case r.err != nil:
	case len(values) == 1:
		if r.size += len(name) + len(values[0]); r.size <= MaxHeaderBytes {
			return values[0]
		}
		r.err = fmt.Errorf("%w: header %s: headers exceed %d bytes", ErrHeader, name, MaxHeaderBytes)
	case len(values) > 1:
		r.err = fmt.Errorf("%w: header %s: %d values", ErrHeader, name, len(values))
	case required:
		r.err = fmt.Errorf("%w: header %s: missing", ErrHeader, name)
	}
	return ""
}

func parseAs[T any](r *headerReader, name string, parse func(string) (T, error)) T {
	var zero T
	text := r.get(name, true)
	if r.err != nil {
		return zero
	}
	v, err := parse(text)
	if err != nil {
		r.err = fmt.Errorf("header %s: %w", name, err)
		return zero
	}
	return v
}

func parseRows(text string) (int64, error) {
	n, ok := parseDecimal(text, MaxSpanRows)
	if !ok {
		return 0, fmt.Errorf("%w: %.32q is not a count of rows", ErrHeader, text)
	}
	return int64(n), nil //nolint:gosec // bounded by MaxSpanRows.
}

func parseFingerprint(text string) (Fingerprint, error) {
	if _, ok := parseHex64(text); !ok {
		return "", fmt.Errorf("%w: %.32q is not 16 hexadecimal characters", ErrHeader, text)
	}
	return Fingerprint(text), nil
}

func parseChecksum(text string) (uint64, error) {
	if digits, ok := strings.CutPrefix(text, checksumPrefix); ok {
		if sum, ok := parseHex64(digits); ok {
			return sum, nil
		}
	}
	return 0, fmt.Errorf("%w: %.32q is not %s and 16 hexadecimal characters", ErrHeader, text, checksumPrefix)
}

func formatChecksum(sum uint64) string { return fmt.Sprintf(checksumPrefix+"%016x", sum) }

func parseHex64(text string) (uint64, bool) {
	if len(text) != 16 || strings.ToLower(text) != text {
		return 0, false
	}
	var b [8]byte
	if _, err := hex.Decode(b[:], []byte(text)); err != nil {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, true
}

// formatDropped writes "protect/filter[2]=57,score/filter[0]=3".
func formatDropped(dropped []Drop) string {
	var b strings.Builder
	for i, d := range dropped {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(d.Operator)
		b.WriteByte('=')
		b.WriteString(strconv.FormatInt(d.Rows, 10))
	}
	return b.String()
}

func parseDropped(text string) ([]Drop, error) {
	if text == "" {
		return nil, nil
	}
	dropped := make([]Drop, 0, strings.Count(text, ",")+1)
	for entry := range strings.SplitSeq(text, ",") {
		operator, rows, ok := strings.Cut(entry, "=")
		n, okN := parseDecimal(rows, MaxSpanRows)
		if !ok || !okN {
			return nil, fmt.Errorf("%w: %.64q is not operator=rows", ErrHeader, entry)
		}
		dropped = append(dropped, Drop{operator, int64(n)}) //nolint:gosec // bounded by MaxSpanRows.
	}
	return dropped, nil
}

// formatDead writes "protect@9f86d081884c7d65=3,5,7-9;score@...=12".
func formatDead(dead []Dead) string {
	var b []byte
	for i, d := range dead {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, d.Stage...)
		b = append(b, '@')
		b = append(b, d.Attempt...)
		b = append(b, '=')
		b = appendRanges(b, d.Offsets)
	}
	return string(b)
}

func appendRanges(b []byte, offsets []uint32) []byte {
	for i := 0; i < len(offsets); {
		first := i
		for i++; i < len(offsets) && offsets[i] == offsets[i-1]+1; i++ {
		}
		if first > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(offsets[first]), 10)
		if last := i - 1; last > first {
			b = append(b, '-')
			b = strconv.AppendUint(b, uint64(offsets[last]), 10)
		}
	}
	return b
}

// parseDead reads the lists of dead rows. A few bytes of text can name millions
// of rows, so what they name is held against room before it is allocated.
func parseDead(text string, spanRows, room int64) ([]Dead, error) {
	if text == "" {
		return nil, nil
	}
	dead := make([]Dead, 0, strings.Count(text, ";")+1)
	for entry := range strings.SplitSeq(text, ";") {
		name, ranges, ok := strings.Cut(entry, "=")
		stage, attempt, ok2 := strings.Cut(name, "@")
		if !ok || !ok2 {
			return nil, fmt.Errorf("%w: %.64q is not stage@attempt=rows", ErrHeader, entry)
		}
		var offsets []uint32
		for text := range strings.SplitSeq(ranges, ",") {
			first, last, ok := parseRange(text, spanRows)
			if !ok || len(offsets) > 0 && first <= int64(offsets[len(offsets)-1]) {
				return nil, fmt.Errorf("%w: %.32q is not the next row or first-last of %d", ErrHeader, text, spanRows)
			}
			if room -= last - first + 1; room < 0 {
				return nil, fmt.Errorf("%w: more rows are dead than are missing", ErrAccounting)
			}
			offsets = slices.Grow(offsets, int(last-first+1))
			for o := first; o <= last; o++ {
				offsets = append(offsets, uint32(o)) //nolint:gosec // below spanRows, which is below MaxSpanRows.
			}
		}
		dead = append(dead, Dead{stage, attempt, offsets})
	}
	return dead, nil
}

func parseRange(text string, spanRows int64) (first, last int64, ok bool) {
	from, to, isRange := strings.Cut(text, "-")
	f, ok := parseDecimal(from, MaxSpanRows)
	t := f
	if isRange && ok {
		t, ok = parseDecimal(to, MaxSpanRows)
		ok = ok && t > f
	}
	first, last = int64(f), int64(t) //nolint:gosec // bounded by MaxSpanRows.
	return first, last, ok && last < spanRows
}

func (h *Header) check() error {
	if err := h.checkScalars(); err != nil {
		return err
	}
	return h.checkLists()
}

func (h *Header) checkScalars() error {
	for _, t := range [...]struct{ name, value string }{
		{HeaderRun, h.Run}, {HeaderStage, h.Stage}, {HeaderAttempt, h.Attempt}, {HeaderPlan, h.Plan}, {HeaderEpoch, h.Epoch},
	} {
		if !isToken(t.value) {
			return fmt.Errorf("%w: header %s: %.80q is not 1 to %d of a-z, 0-9 and -", ErrHeader, t.name, t.value, maxToken)
		}
	}
	if _, err := parseFingerprint(string(h.Schema)); err != nil {
		return fmt.Errorf("header %s: %w", HeaderSchema, err)
	}
	if h.Trace != "" && !isTrace(h.Trace) {
		return fmt.Errorf("%w: header %s: %.160q", ErrHeader, HeaderTrace, h.Trace)
	}
	if !h.Span.Valid() || h.Span.Rows() > MaxSpanRows {
		return fmt.Errorf("%w: %s does not cover 1 to %d rows", ErrSpan, h.Span, MaxSpanRows)
	}
	if h.Rows < 0 || h.Rows > h.Span.Rows() {
		return h.accountingError()
	}
	return nil
}

func (h *Header) checkLists() error {
	for i, d := range h.Dropped {
		if !isOperator(d.Operator) || d.Rows < 1 || d.Rows > MaxSpanRows {
			return fmt.Errorf("%w: header %s: operator %.160q with %d rows", ErrHeader, HeaderDropped, d.Operator, d.Rows)
		}
		if slices.ContainsFunc(h.Dropped[:i], func(o Drop) bool { return o.Operator == d.Operator }) {
			return fmt.Errorf("%w: header %s: operator %q twice", ErrHeader, HeaderDropped, d.Operator)
		}
	}
	for i, d := range h.Dead {
		if !isToken(d.Stage) || !isToken(d.Attempt) || len(d.Offsets) == 0 {
			return fmt.Errorf("%w: header %s: stage %.80q, attempt %.80q with %d rows",
				ErrHeader, HeaderDead, d.Stage, d.Attempt, len(d.Offsets))
		}
		if slices.ContainsFunc(h.Dead[:i], func(o Dead) bool { return o.Stage == d.Stage && o.Attempt == d.Attempt }) {
			return fmt.Errorf("%w: header %s: attempt %s of %s twice", ErrHeader, HeaderDead, d.Attempt, d.Stage)
		}
		if !isAscending(d.Offsets, h.Span.Rows()) {
			return fmt.Errorf("%w: header %s: rows of attempt %s of %s are not ascending rows of %s",
				ErrHeader, HeaderDead, d.Attempt, d.Stage, h.Span)
		}
	}
	if offset, ok := diesTwice(h.Dead); ok {
		return fmt.Errorf("%w: source row %d is dead twice", ErrAccounting, h.Span.From+int64(offset))
	}
	if h.Rows+h.DroppedRows()+h.DeadRows() != h.Span.Rows() {
		return h.accountingError()
	}
	return nil
}

func (h *Header) accountingError() error {
	return fmt.Errorf("%w: span %s has %d source rows, the block has %d rows, %d dropped and %d dead",
		ErrAccounting, h.Span, h.Span.Rows(), h.Rows, h.DroppedRows(), h.DeadRows())
}

// diesTwice returns a row that two attempts name, if there is one.
func diesTwice(dead []Dead) (uint32, bool) {
	if len(dead) < 2 {
		return 0, false // a list by itself is strictly ascending
	}
	// Runs of neighbours, not rows: a header has room for few thousands of them.
	type run struct{ first, last uint32 }
	var runs []run
	for _, d := range dead {
		for i, o := range d.Offsets {
			if i > 0 && o == d.Offsets[i-1]+1 {
				runs[len(runs)-1].last = o
				continue
			}
			runs = append(runs, run{o, o})
		}
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	for i := 1; i < len(runs); i++ {
		if runs[i].first <= runs[i-1].last {
			return runs[i].first, true
		}
	}
	return 0, false
}

// isAscending reports whether offsets are strictly ascending and below rows.
func isAscending(offsets []uint32, rows int64) bool {
	for i := 1; i < len(offsets); i++ {
		if offsets[i] <= offsets[i-1] {
			return false
		}
	}
	return len(offsets) == 0 || int64(offsets[len(offsets)-1]) < rows
}

func isToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// isOperator allows what is printable, visible and no syntax of the list.
func isOperator(s string) bool {
	if s == "" || len(s) > maxOperator {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == ',' || c == '=' || c == ';' || c == '@' {
			return false
		}
	}
	return true
}

func isTrace(s string) bool {
	if s == "" || len(s) > maxTrace {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// Align sets the padding header so that all headers, as NATS writes them, take a
// multiple of eight bytes. A client hands over headers and payload in one buffer;
// padded, the payload in it is aligned, and [Decode] need not copy it. Call it
// last, when no header is added any more. It changes nothing else, and a block
// without it is as good, only slower to decode.
func Align(header map[string][]string) {
	const first, last = len("NATS/1.0\r\n"), len("\r\n")
	size := first + last + len(HeaderPad) + len(": ") + len("\r\n")
	for name, values := range header {
		if name == HeaderPad {
			continue
		}
		for _, v := range values {
			size += len(name) + len(": ") + len(v) + len("\r\n")
		}
	}
	// At least one character: an empty value could be trimmed on the way.
	header[HeaderPad] = []string{"--------"[:8-size%8]}
}
