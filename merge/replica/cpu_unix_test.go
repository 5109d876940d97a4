//go:build unix

package replica_test

import (
	"syscall"
	"time"
)

// cpu returns the time that all threads of the process have been computing: unlike time that passes, it does not depend on
// what else the machine does.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
