package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Direct has a file read and written past the system's cache from now on, by whoever does it: see open(2), O_DIRECT.
func Direct(file *os.File) error { return setDirect(file, unix.O_DIRECT) }

// Cached is the opposite of [Direct].
func Cached(file *os.File) error { return setDirect(file, 0) }

func setDirect(file *os.File, flag int) error {
	flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(file.Fd(), unix.F_SETFL, flags&^unix.O_DIRECT|flag)
	}
	return os.NewSyscallError("fcntl", err)
}

// Reserve makes a file longer, by space that is its own when it returns.
func Reserve(file *os.File, from, to int64) error {
	for {
		err := unix.Fallocate(int(file.Fd()), 0, from, to-from)
		if err != unix.EINTR {
			return os.NewSyscallError("fallocate", err)
		}
	}
}

// MachineMemory returns how many bytes of memory the machine has, 0 when the system doesn't say.
func MachineMemory() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// LetGo tells the system that nobody needs to find these bytes of a file in its cache. It is a wish.
func LetGo(file *os.File, from, to int64) {
	_ = unix.Fadvise(int(file.Fd()), from, to-from, unix.FADV_DONTNEED)
}
