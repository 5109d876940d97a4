package faultfs

import "fmt"

// Kind is what an operation does.
type Kind string

// The operations that change a disk.
const (
	Create   Kind = "create"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	SyncDir  Kind = "syncdir"
)

// Op is one operation.
type Op struct {
	N      int // its number, counted from 0
	Kind   Kind
	Name   string // of the file, or the directory
	To     string // the new name of a renamed file
	Offset int64  // of a write
	Size   int64  // of a write, or of the file after it was cut
}

// String returns the operation on one line. Do not depend on this text; use the fields.
func (o Op) String() string {
	s := fmt.Sprintf("#%d %s %s", o.N, o.Kind, o.Name)
	switch o.Kind {
	case Write:
		s += fmt.Sprintf(" [%d,%d)", o.Offset, o.Offset+o.Size)
	case Truncate:
		s += fmt.Sprintf(" to %d", o.Size)
	case Rename:
		s += " to " + o.To
	}
	return s
}

// Fault is how an operation fails.
type Fault uint8

// The ways to fail.
const (
	// None is not to fail.
	None Fault = iota

	// EIO fails with syscall.EIO. A write has written nothing; a sync has lost what it should have written.
	EIO

	// NoSpace fails in the same way with syscall.ENOSPC.
	NoSpace

	// Short writes half of the bytes and fails with syscall.ENOSPC. On anything but a write it is NoSpace.
	Short

	// Lie reports success. A sync has done nothing; all else is shown by the running system and never gets to the disk.
	Lie

	// Crash does nothing, and nothing is done any more.
	Crash
)

// At returns a [Disk.Fault] that fails the operation of one number.
func At(n int, fault Fault) func(Op) Fault {
	return func(op Op) Fault {
		if op.N == n {
			return fault
		}
		return None
	}
}

// From returns a [Disk.Fault] that fails the operation of a number and all after it.
func From(n int, fault Fault) func(Op) Fault {
	return func(op Op) Fault {
		if op.N >= n {
			return fault
		}
		return None
	}
}

type outcome uint8

const (
	done   outcome = iota
	undone         // without a trace on the disk
	failed         // a sync that lost what it should have written
)

// An entry is an operation in the journal of a disk.
type entry struct {
	op      Op
	node    int
	data    []byte // of a write: what was written
	outcome outcome
}
