package cmd

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

// progress shows on a terminal how far reading has come. A nil progress shows nothing.
type progress struct {
	w     io.Writer
	total int64 // bytes of all inputs, 0 when not known
	begin time.Time
	last  time.Time
	shown bool
}

// newProgress returns nil unless w is a terminal.
func newProgress(w io.Writer, sources []history.Source) *progress {
	file, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	now := time.Now()
	return &progress{w: w, total: sizeOf(sources), begin: now, last: now}
}

// sizeOf returns the bytes of all sources, 0 when those of one are not known.
func sizeOf(sources []history.Source) int64 {
	total := int64(0)
	for _, s := range sources {
		info, err := os.Stat(s.Name)
		if err != nil || !info.Mode().IsRegular() {
			return 0
		}
		total += info.Size()
	}
	return total
}

// read is told how many bytes have been read in all.
func (p *progress) read(bytes int64) {
	if p == nil || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	const mega = 1e6
	rate := float64(bytes) / mega / time.Since(p.begin).Seconds()
	percent := ""
	if p.total > 0 {
		percent = fmt.Sprintf(" of %.0f MB, %d%%", float64(p.total)/mega, min(100*bytes/p.total, 100))
	}
	p.line(fmt.Sprintf("read %.0f MB%s, %.0f MB/s", float64(bytes)/mega, percent, rate))
}

// merging says that all is read.
func (p *progress) merging() {
	if p != nil && p.shown {
		p.line("merging")
	}
}

func (p *progress) line(text string) {
	p.shown = true
	fmt.Fprintf(p.w, "\r\x1b[Ktiebreak: %s", text)
}

// done erases the line.
func (p *progress) done() {
	if p != nil && p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
