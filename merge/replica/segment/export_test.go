package segment

// Room returns how many bytes of memory a log keeps for batches.
func (l *Log) Room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, b := range []*batch{l.open, l.flight, l.spare} {
		if b != nil {
			n += cap(b.buf)
		}
	}
	return n
}
