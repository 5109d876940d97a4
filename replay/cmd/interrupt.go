package cmd

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/tiebreakhq/tiebreak/replay/whole"
)

// interrupts is what the signals do by which people end a run: the first one ends the reading, where a command can tell
// what it has by then. Another one, or the first where there is nothing to tell, ends the process at once, without litter.
// A nil interrupts knows of no signal.
type interrupts struct {
	mu   sync.Mutex
	stop chan struct{} // of the reading at hand; nil when there is none
	came bool
}

// watchInterrupts begins to watch for signals. One that this process was started to ignore stays ignored.
func watchInterrupts() *interrupts {
	in := &interrupts{}
	signals := make(chan os.Signal, 2)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		for s := range signals {
			if !in.interrupt() {
				end(s)
			}
		}
	}()
	return in
}

// end ends the process by a signal, so that who waits for it sees that.
func end(s os.Signal) {
	whole.Clear()
	signal.Reset(s)
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(s) == nil {
		time.Sleep(time.Second) // it comes any moment
	}
	os.Exit(exitTrouble)
}

// interrupt ends the reading at hand, and returns false when there is none.
func (in *interrupts) interrupt() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stop == nil || in.came {
		return false
	}
	in.came = true
	close(in.stop)
	return true
}

// reading begins a reading and returns what is closed to end it. ended is to be called when it has ended.
func (in *interrupts) reading() (stop <-chan struct{}, ended func()) {
	if in == nil {
		return nil, func() {}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stop = make(chan struct{})
	return in.stop, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.stop = nil
	}
}
