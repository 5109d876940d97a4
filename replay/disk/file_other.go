//go:build !linux

package disk

import (
	"errors"
	"os"
)

// Direct returns [errors.ErrUnsupported].
func Direct(file *os.File) error { return errors.ErrUnsupported }

// Cached does nothing: nothing is direct.
func Cached(file *os.File) error { return nil }

// Reserve returns [errors.ErrUnsupported].
func Reserve(file *os.File, from, to int64) error { return errors.ErrUnsupported }

// MachineMemory returns 0: nobody says.
func MachineMemory() int64 { return 0 }

// LetGo does nothing.
func LetGo(file *os.File, from, to int64) {}
