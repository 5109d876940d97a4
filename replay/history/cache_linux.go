package history

import "golang.org/x/sys/unix"

// memoryBytes returns how much memory the machine has, 0 when the system doesn't say.
func memoryBytes() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// letGo tells the system that nobody needs to find these bytes of a file in its cache. It is a wish.
func letGo(file uintptr, from, to int64) {
	_ = unix.Fadvise(int(file), from, to-from, unix.FADV_DONTNEED)
}
