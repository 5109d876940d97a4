package cmd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

// progress shows on a terminal how far reading has come. A nil progress shows nothing.
type progress struct {
	w     io.Writer
	begin time.Time

	mu     sync.Mutex
	sizes  []int64 // of the inputs in bytes, below 0 when not known
	total  int64   // bytes of all inputs that are read
	vague  int     // inputs of which the size is not known
	inputs int     // that are read
	ended  int     // of them
	last   time.Time
	shown  bool
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
	return progressOf(w, sources, time.Now())
}

func progressOf(w io.Writer, sources []history.Source, now time.Time) *progress {
	p := &progress{w: w, begin: now, last: now, inputs: len(sources)}
	for _, s := range sources {
		size := int64(-1)
		if info, err := os.Stat(s.Name); err == nil && info.Mode().IsRegular() {
			size = info.Size()
			p.total += size
		} else {
			p.vague++
		}
		p.sizes = append(p.sizes, size)
	}
	return p
}

// kept is told that an input is not read.
func (p *progress) kept(input int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inputs--
	if size := p.sizes[input]; size < 0 {
		p.vague--
	} else {
		p.total -= size
	}
}

// finished is told that an input was read whole.
func (p *progress) finished(int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended++
}

// read is told how many bytes have been read in all.
func (p *progress) read(bytes int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	const mega = 1e6
	rate := float64(bytes) / time.Since(p.begin).Seconds()
	var b strings.Builder
	b.WriteString("read ")
	if p.inputs > 1 {
		fmt.Fprintf(&b, "%d of %d inputs, ", p.ended, p.inputs)
	}
	fmt.Fprintf(&b, "%.0f MB", float64(bytes)/mega)
	if p.vague == 0 && p.total > 0 {
		fmt.Fprintf(&b, " of %.0f MB, %d%%", float64(p.total)/mega, min(100*bytes/p.total, 100))
	}
	fmt.Fprintf(&b, ", %.0f MB/s", rate/mega)
	if left := float64(p.total - bytes); p.vague == 0 && left > 0 && rate > 0 {
		fmt.Fprintf(&b, ", %s left", time.Duration(left/rate*float64(time.Second)).Round(time.Second))
	}
	p.line(b.String())
}

// merging says that all is read.
func (p *progress) merging() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		p.line("merging")
	}
}

func (p *progress) line(text string) {
	p.shown = true
	fmt.Fprintf(p.w, "\r\x1b[Ktiebreak: %s", text)
}

// done erases the line.
func (p *progress) done() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
