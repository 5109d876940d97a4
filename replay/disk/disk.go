// Package disk reads and writes large files past the system's cache of files, many blocks at once.
//
// The cache is good for what is soon wanted again and fits. What is written once and read once costs a copy and a new page of
// memory each way, and drives out of the cache what somebody may want. A [Queue] has the disk take blocks from where they are,
// and put them where they are wanted, while its user does other things.
//
// Where there is no such thing (another system than Linux, a file system without O_DIRECT, a sandbox that forbids it), the
// functions return errors, and whoever called them reads and writes as usual.
package disk

import "unsafe"

// Align is to what blocks, their places in files and their sizes are aligned: no disk asks for more.
const Align = 4096

// Result is the end of one block that was asked for.
type Result[T any] struct {
	Tag  T // as it was asked with
	Data []byte
	Size int   // how many bytes were read or written; fewer than asked for at the end of a file
	Err  error // why none were
}

// Aligned reports whether memory can be given to a [Queue].
func Aligned(b []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%Align == 0
}

// Memory returns aligned memory.
func Memory(size int) []byte {
	b := make([]byte, size+Align)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % Align
	return b[skip : int(skip)+size : int(skip)+size]
}
