package replay

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
)

// farAddresses is how far a file may grow. Addresses cost nothing, where they are of 64 bits.
const farAddresses = 1 << (30 + 10*(^uint(0)>>63))

// reserve gives addresses to a file and to what it may grow to.
func reserve(file *os.File) ([]byte, error) {
	all, err := syscall.Mmap(int(file.Fd()), 0, farAddresses, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_NORESERVE)
	if err == nil {
		// To touch a byte is to hold a page, or a few, and not all that the system would read ahead.
		_ = syscall.Madvise(all, syscall.MADV_NOHUGEPAGE)
		_ = syscall.Madvise(all, syscall.MADV_RANDOM)
	}
	return all, err
}

func unreserve(all []byte) error { return syscall.Munmap(all) }

// grow makes a file longer. The space is there when it returns: what is written to a page for which there is none ends the
// process.
func grow(file *os.File, from, to int) error {
	for {
		err := syscall.Fallocate(int(file.Fd()), 0, int64(from), int64(to-from))
		switch {
		case err == nil, errors.Is(err, syscall.EOPNOTSUPP):
			return fill(file, from, to)
		case errors.Is(err, syscall.EINTR):
		default:
			return &os.PathError{Op: "grow", Path: file.Name(), Err: err}
		}
	}
}

// fill writes zeros. Not every file system promises space without, and pages that were written are mapped several at once,
// while one that was only promised is made when it is touched, alone, and that costs many times as much.
func fill(file *os.File, from, to int) error {
	zeros := make([]byte, min(to-from, 1<<18)) // more make for pages of megabytes: to touch a byte of one is to hold all of it
	for at := from; at < to; at += len(zeros) {
		if _, err := file.WriteAt(zeros[:min(len(zeros), to-at)], int64(at)); err != nil {
			return err
		}
	}
	return nil
}

// letGo has the system take back what stays in the file: the first bytes, in whole pages. It is a wish.
func letGo(all []byte, used int) {
	page := os.Getpagesize()
	_ = syscall.Madvise(all[:(used+page-1)&^(page-1)], syscall.MADV_DONTNEED)
}

// usage asks how much this process holds in memory.
type usage struct{ statm *os.File }

// bytes returns how much of files, and how much in all: 0 when the system doesn't say.
func (u *usage) bytes() (files, all int64) {
	if u.statm == nil {
		u.statm, _ = os.Open("/proc/self/statm")
	}
	var room [128]byte
	n, _ := u.statm.ReadAt(room[:], 0)
	fields := bytes.Fields(room[:n])
	if len(fields) < 3 {
		return 0, 0
	}
	files, _ = strconv.ParseInt(string(fields[2]), 10, 64)
	all, _ = strconv.ParseInt(string(fields[1]), 10, 64)
	page := int64(os.Getpagesize())
	return files * page, all * page
}

func (u *usage) close() { _ = u.statm.Close() }
