//go:build unix

package cmd_test

import (
	"os/signal"
	"syscall"

	"github.com/tiebreakhq/tiebreak/replay/cmd"
)

// limited is the command on a disk that is full after a few bytes of each file.
func limited() {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 100, Max: 100}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	cmd.Main()
}
