package whole

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// nameless returns a file in a directory that has no name yet, nil when this file system has no such thing. Errors show it
// as shown.
func nameless(dir, shown string) *os.File {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), shown)
	if _, err := os.Stat(descriptor(file)); err != nil { // link will need it
		_ = file.Close()
		return nil
	}
	return file
}

// link gives a file a name.
func link(file *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, descriptor(file), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.PathError{Op: "link", Path: name, Err: err}
	}
	return nil
}

func descriptor(file *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", file.Fd()) }
