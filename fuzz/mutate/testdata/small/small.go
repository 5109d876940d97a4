// Package small is for the tests of mutate. Its tests leave a border open, and a statement that nobody looks at.
package small

import "errors"

// ErrLow is for a level below 0.
var ErrLow = errors.New("low")

// Tank holds water up to 10.
type Tank[N int | int64] struct {
	level N
	fills int
}

// Fill adds water.
func (t *Tank[N]) Fill(n N) (over N, err error) {
	if n < 0 && t.level+n < 0 {
		return 0, ErrLow
	}
	t.fills++
	t.level += n
	if t.level > 10 {
		over = t.level - 10
		t.level = 10
	}
	return over, nil
}
