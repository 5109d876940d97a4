package replay

import (
	"syscall"
	"unsafe"
)

// largePage is the size of a large page where it is a few megabytes, as nearly everywhere.
const largePage = 2 << 20

// preferLargePages asks the system to hold memory that was not used yet in large pages: a fault and an entry in the
// processor's tables stand then for 512 times as much. It is a wish; without it all is the same but for speed.
func preferLargePages(b []byte) {
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % largePage
	if uintptr(len(b)) < skip+largePage {
		return
	}
	b = b[skip:]
	_ = syscall.Madvise(b[:len(b)&^(largePage-1)], syscall.MADV_HUGEPAGE)
}
