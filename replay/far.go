package replay

import (
	"fmt"
	"math"
	"os"
	"slices"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/replay/whole"
)

// far is memory for one key that is too long for ordinary memory: it stands in a temporary file, of which the system keeps in
// memory what it likes, and of which this process keeps no more than a bound, or than leaves all that it has in memory within
// another: what it touches beyond both it lets go of. One goroutine uses it. Where there is no such thing, a nil one stands for
// ordinary memory.
//
// HAZARD: what is in it holds no pointers, and is gone when it is closed.
type far struct {
	file   *os.File
	remove func() error
	all    []byte // addresses: of the file, from its start, and of what it may grow to
	used   int    // bytes that were handed out
	end    int    // bytes of the file
	usage  usage
	most   int64 // bytes of files that may be held
	inAll  int64 // or bytes of all that this process has in memory
	step   int   // by how many bytes the file grows

	// How much is held is not asked at every tick, but so often that it can't grow to much more than most in between.
	ticks int   // until it is asked
	every int   // how many there were
	bytes int   // that may be touched until it is asked
	held  int64 // when it was asked last

	looked func(grown int64) // of a test: it is told by how much more was held than when it was asked last, at every few steps
}

// farFailure is what is raised when the file can't grow: guarded makes an error of it.
type farFailure struct{ error }

// newFar returns an empty one in a directory, "" for the system's, of which up to most bytes are held in memory, and more while
// this process has no more than inAll in memory; nil where there is no such thing.
func newFar(dir string, most, inAll int64) (*far, error) {
	file, remove, err := whole.Temp(dir)
	if err != nil {
		return nil, farError(err)
	}
	f := &far{file: file, remove: remove, inAll: inAll, step: int(min(max(most, 1<<16), 1<<24)) &^ (1<<12 - 1)}
	f.held, _ = f.usage.bytes()
	f.most = f.held + most
	if f.all, err = reserve(file); err != nil { // a system that knows no such thing, or grants no addresses
		_ = f.close()
		return nil, nil
	}
	return f, nil
}

func farError(err error) error { return fmt.Errorf("keep what does not fit into memory: %w", err) }

// take hands out n bytes, all zero.
func (f *far) take(n int) []byte {
	const align = 64
	if n > len(f.all)-f.used {
		panic(farFailure{farError(fmt.Errorf("one key needs more than %d GiB", len(f.all)>>30))})
	}
	if need := f.used + n; need > f.end {
		end := min(need+f.step-need%f.step, len(f.all))
		if err := grow(f.file, f.end, end); err != nil {
			panic(farFailure{farError(err)})
		}
		f.end = end
	}
	b := f.all[f.used : f.used+n : f.used+n]
	f.used = min((f.used+n+align-1)&^(align-1), len(f.all))
	return b
}

// tick is to be called by all that walks over what is here: once for each step.
func (f *far) tick() {
	if f == nil {
		return
	}
	if f.ticks--; f.ticks <= 0 {
		f.look()
	}
}

// touch is to be called by all that reads or writes many bytes in one step, with how many.
func (f *far) touch(n int) {
	if f == nil {
		return
	}
	if f.bytes -= n; f.bytes <= 0 {
		f.look()
	}
}

// look lets go of what is held when it is too much, and says when to look again: when at the pace of late half of what is
// left would be held.
func (f *far) look() {
	// The pace may be another from one step to the next, and to touch a byte may be to hold sixteen pages: 64 KiB. Nor may all time go
	// into asking.
	const least, most = 1 << 6, 1 << 9
	held, inAll := f.usage.bytes()
	grown := held - f.held
	pace := max(grown, 1<<12) / int64(max(f.every, 1))
	if held > f.most && inAll > f.inAll {
		letGo(f.all, f.used)
		held, inAll = f.usage.bytes()
	}
	f.held = held
	left := max(f.most-held, f.inAll-inAll)
	f.every = int(min(max(left/2/max(pace, 1), least), most))
	if f.looked != nil {
		f.looked(grown)
		f.every = 16
	}
	f.ticks = f.every
	f.bytes = int(min(max(left/2, 1<<16), math.MaxInt32))
}

// close gives memory and disk space back.
func (f *far) close() error {
	if f == nil {
		return nil
	}
	f.usage.close()
	if f.all != nil {
		if err := unreserve(f.all); err != nil {
			return err
		}
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	return f.remove()
}

// guarded calls what uses far memory and returns its error, or that of a file that couldn't grow.
func guarded(use func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			failure, ok := r.(farFailure)
			if !ok {
				panic(r)
			}
			err = failure.error
		}
	}()
	return use()
}

// listOf makes a list of n, which holds no pointers if it is to be far.
func listOf[T any](f *far, n int) []T {
	if f == nil || n == 0 {
		return make([]T, n)
	}
	var one T
	b := f.take(n * int(unsafe.Sizeof(one)))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// push appends to a list that is to be far where there is far memory, as what is in it holds no pointers: it grows there.
func push[T any](f *far, list []T, one T) []T {
	const piece, few = 1 << 10, 1 << 6
	if f == nil || len(list) < cap(list) {
		return append(list, one)
	}
	more := listOf[T](f, max(2*cap(list), few))[:0]
	for some := range slices.Chunk(list, piece) {
		f.touch(2 * len(some) * int(unsafe.Sizeof(one)))
		more = append(more, some...)
	}
	return append(more, one)
}
