package cmd

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

// size is the flag -memory: a number of bytes, as in 256MiB. Zero is what is used when nobody says.
type size int64

// units are the powers of 1024, by the letter of their names.
const units = "KMGT"

// leastMemory is what reading takes at the least, whatever does not fit.
const leastMemory = 64 << 20

func (s *size) String() string { return fmt.Sprintf("%dMiB", *s>>20) }

func (s *size) Set(text string) error {
	digits := strings.TrimRight(text, "iBKMGT")
	unit := strings.TrimSuffix(strings.TrimSuffix(text[len(digits):], "B"), "i")
	n, err := strconv.ParseInt(digits, 10, 64)
	power := 0
	if unit != "" {
		power = strings.Index(units, unit) + 1
	}
	switch {
	case err != nil || n <= 0 || unit != "" && (len(unit) > 1 || power == 0) || n > math.MaxInt64>>(10*power):
		return errors.New("want a size, as in 512MiB or 2GiB")
	case n<<(10*power) < leastMemory:
		return fmt.Errorf("want at least %dMiB", leastMemory>>20)
	}
	*s = size(n << (10 * power))
	return nil
}

// history returns what the engine may use for what it keeps.
func (s *size) history() int64 {
	if *s == 0 {
		return history.DefaultMemory
	}
	return int64(*s)
}

// limit tells the garbage collector of this process to stay within the size. What it doesn't count, such as the program
// itself and the far memory of a long key, takes some of it.
func (s *size) limit() { s.limitBeside(0) }

// limitBeside is limit beside so many bytes that have to be in memory in any case.
func (s *size) limitBeside(bytes int64) { debug.SetMemoryLimit(s.history()*3/4 + bytes) }

// raise lets the garbage collector use more of the size, when there is no far memory any more.
func (s *size) raise() { debug.SetMemoryLimit(s.history() * 7 / 8) }

// unlimit takes the limit back, for what has to be in memory as a whole: against one that it can't keep to, the garbage
// collector does little but run.
func (s *size) unlimit() { debug.SetMemoryLimit(math.MaxInt64) }

// answers returns how many answers of replicas may be kept beside each other: see [reads.Options].
func (s *size) answers() int { return int(s.history() >> 12) }
