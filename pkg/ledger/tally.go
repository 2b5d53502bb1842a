package ledger

// tally adds numbers of rows that come from elsewhere: none may be negative, and
// their sum may not pass the limit, so that nothing overflows.
type tally struct {
	n, limit int64
	bad      bool
}

func (t *tally) add(rows int64) {
	if rows < 0 || rows > t.limit-t.n {
		t.bad = true
		return
	}
	t.n += rows
}
