package reads

import (
	"fmt"
	"strings"
	"time"
)

// Kind is what a read was promised, without a bound.
type Kind uint8

// The kinds, in the order of reports.
const (
	Eventual Kind = iota
	Session
	Bounded
	Quorum
	Strong
)

// Level is what a read was promised. The zero Level is eventual. Levels are compared with ==.
type Level struct {
	Kind  Kind
	Bound time.Duration // of Bounded
}

var kindNames = [...]string{Eventual: "eventual", Session: "session", Bounded: "bounded", Quorum: "quorum", Strong: "strong"}

// ParseLevel is the inverse of [Level.String].
func ParseLevel(text string) (Level, error) {
	if bound, ok := strings.CutPrefix(text, "bounded:"); ok {
		if d, err := time.ParseDuration(bound); err == nil && d >= 0 {
			return Level{Bounded, d}, nil
		}
	} else {
		for kind, name := range kindNames {
			if name == text && Kind(kind) != Bounded {
				return Level{Kind: Kind(kind)}, nil
			}
		}
	}
	return Level{}, fmt.Errorf("level %q: want strong, quorum, session, eventual, or bounded with a duration as in bounded:5s", text)
}

// String returns the level as a history writes it: strong, bounded:5s.
func (l Level) String() string {
	if l.Kind == Bounded {
		return "bounded:" + l.Bound.String()
	}
	return kindNames[l.Kind]
}

// better reports whether the level promises more than what the next replica happens to have.
func (l Level) better() bool { return l.Kind >= Bounded }
