//go:build !linux

package disk

import (
	"errors"
	"os"
)

// Queue is only on Linux: elsewhere there is none.
type Queue[T any] struct{}

// NewQueue returns [errors.ErrUnsupported].
func NewQueue[T any](room int) (*Queue[T], error) { return nil, errors.ErrUnsupported }

// Room is of no queue.
func (q *Queue[T]) Room() int { return 0 }

// Flying is of no queue.
func (q *Queue[T]) Flying() int { return 0 }

// Read is of no queue.
func (q *Queue[T]) Read(file *os.File, b []byte, offset int64, tag T) {}

// Write is of no queue.
func (q *Queue[T]) Write(file *os.File, b []byte, offset int64, tag T) {}

// Begin is of no queue.
func (q *Queue[T]) Begin() {}

// Next is of no queue.
func (q *Queue[T]) Next(wait bool) (r Result[T], ok bool) { return Result[T]{}, false }

// Close is of no queue.
func (q *Queue[T]) Close() {}
