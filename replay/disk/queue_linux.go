package disk

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queue has blocks of files read and written, many at once: a few system calls stand for all of them, and none waits for the
// disk but [Queue.Next]. One goroutine at a time uses it.
//
// It is the asynchronous I/O of Linux (io_submit(2)), which has no wrapper in the standard library.
type Queue[T any] struct {
	context uintptr
	slots   []slot[T]
	free    []int32     // slots
	asked   []*iocb     // and not begun
	begun   int         // and not ended
	ended   []Result[T] // and not told
	events  []event
}

// slot is a place of the queue.
type slot[T any] struct {
	cb   iocb
	tag  T
	data []byte // must stay where it is until the system is done with it
}

// iocb and event are as in linux/aio_abi.h. What has two places there, by the order of bytes, is zero here.
type iocb struct {
	slot   uint64
	_      [2]uint32
	opcode uint16
	_      int16
	file   uint32
	data   uint64
	size   uint64
	offset int64
	_      uint64
	_      [2]uint32
}

type event struct {
	slot   uint64
	_      uint64
	result int64
	_      int64
}

const (
	opRead  = 0 // IOCB_CMD_PREAD
	opWrite = 1 // IOCB_CMD_PWRITE
)

// NewQueue returns a queue that has room for so many blocks. The error is of a system that has no such thing, or grants none.
func NewQueue[T any](room int) (*Queue[T], error) {
	q := &Queue[T]{}
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, uintptr(room), uintptr(unsafe.Pointer(&q.context)), 0); errno != 0 {
		return nil, os.NewSyscallError("io_setup", errno)
	}
	q.slots, q.events = make([]slot[T], room), make([]event, room)
	if errno := q.take(0); errno != 0 { // some sandboxes forbid one and not the other
		q.Close()
		return nil, os.NewSyscallError("io_getevents", errno)
	}
	for i := range q.slots {
		q.free = append(q.free, int32(i))
	}
	return q, nil
}

// Room returns for how many blocks more there is room. A block takes its place until [Queue.Next] tells its end.
func (q *Queue[T]) Room() int { return len(q.free) - len(q.ended) }

// Flying returns of how many blocks that were asked for the end is not told.
func (q *Queue[T]) Flying() int { return len(q.slots) - q.Room() }

// Read asks for b to be filled from an offset of a file; Write, for b to be written there. Both the memory and the offset are
// aligned to [Align], as is the size, and the memory is the queue's until the end is told. There must be room.
func (q *Queue[T]) Read(file *os.File, b []byte, offset int64, tag T) {
	q.ask(opRead, file, b, offset, tag)
}

// Write is the counterpart of [Queue.Read].
func (q *Queue[T]) Write(file *os.File, b []byte, offset int64, tag T) {
	q.ask(opWrite, file, b, offset, tag)
}

func (q *Queue[T]) ask(opcode uint16, file *os.File, b []byte, offset int64, tag T) {
	i := q.free[len(q.free)-1]
	q.free = q.free[:len(q.free)-1]
	s := &q.slots[i]
	s.tag, s.data = tag, b
	s.cb = iocb{
		slot: uint64(i), opcode: opcode, file: uint32(file.Fd()),
		data: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), size: uint64(len(b)), offset: offset,
	}
	q.asked = append(q.asked, &s.cb)
}

// Begin has the system begin with all that was asked for. It does not wait for the disk, unless the system can't help it.
func (q *Queue[T]) Begin() {
	for at := 0; at < len(q.asked); {
		n, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, q.context, uintptr(len(q.asked)-at), uintptr(unsafe.Pointer(&q.asked[at])))
		switch {
		case errno == 0:
			q.begun += int(n)
			at += int(n)
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && q.begun > 0:
			q.collect(1)
		default: // it is of the first
			q.end(int32(q.asked[at].slot), -int64(errno))
			at++
		}
	}
	q.asked = q.asked[:0]
}

// Next tells the end of a block that was begun, in no order. Without one it waits for the next, if it may; ok is false when
// there is none.
func (q *Queue[T]) Next(wait bool) (r Result[T], ok bool) {
	if len(q.ended) == 0 && q.begun > 0 {
		least := 0
		if wait {
			least = 1
		}
		q.collect(least)
	}
	if len(q.ended) == 0 {
		return Result[T]{}, false
	}
	r = q.ended[len(q.ended)-1]
	q.ended = q.ended[:len(q.ended)-1]
	return r, true
}

// collect takes what has ended, at least so many.
func (q *Queue[T]) collect(least int) {
	if errno := q.take(least); errno != 0 { // it worked when the queue was made
		panic(os.NewSyscallError("io_getevents", errno))
	}
}

// take is collect, but for the error.
func (q *Queue[T]) take(least int) unix.Errno {
	call := unix.Syscall6
	if least == 0 {
		call = unix.RawSyscall6 // it does not wait
	}
	for {
		n, _, errno := call(unix.SYS_IO_GETEVENTS, q.context, uintptr(least), uintptr(len(q.events)), uintptr(unsafe.Pointer(&q.events[0])), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		for _, e := range q.events[:n] {
			q.begun--
			q.end(int32(e.slot), e.result)
		}
		return 0
	}
}

// end frees a slot.
func (q *Queue[T]) end(i int32, result int64) {
	s := &q.slots[i]
	r := Result[T]{Tag: s.tag, Data: s.data}
	if result < 0 {
		r.Err = unix.Errno(-result)
	} else {
		r.Size = int(result)
	}
	s.data = nil
	q.free = append(q.free, i)
	q.ended = append(q.ended, r)
}

// Close waits for all that was begun, and gives the queue up.
func (q *Queue[T]) Close() {
	for q.begun > 0 {
		q.collect(1)
	}
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, q.context, 0, 0)
}
