package clock

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNodeLen is the longest node name accepted, in bytes.
const MaxNodeLen = 255

// Node names one writer: a process, a database node, or a region that writes one change at a time. All that is
// promised of a node is that it is sequential: each of its writes has seen all its earlier ones.
type Node string

// Check reports why n can't be a node name: empty, longer than [MaxNodeLen] bytes, not UTF-8, or holding a
// space, a control character, or one of the characters "<", "," and "#" that a rule table gives a meaning.
func (n Node) Check() error {
	if n.isPlain() {
		return nil
	}
	switch {
	case n == "":
		return errors.New("empty node name")
	case len(n) > MaxNodeLen:
		return fmt.Errorf("node name of %d bytes: the limit is %d", len(n), MaxNodeLen)
	case !utf8.ValidString(string(n)):
		return fmt.Errorf("node name %q is not UTF-8", string(n))
	}
	for _, r := range string(n) {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune("<,#", r) {
			return fmt.Errorf("node name %q holds %q", string(n), r)
		}
	}
	return nil
}

// maxIncarnation is the greatest number of an incarnation, so that no member can make up nodes without end.
const maxIncarnation = 9999

// Incarnation returns the member that n is, and for the how manieth time: "us-east" and 2 for "us-east~2", and 0 for "us-east"
// itself. A replica that was restored from an old backup names its operations by its next incarnation, because the dots after those
// of the backup may have been given away before. An incarnation is a number from 1 to 9999 without leading zeros.
func (n Node) Incarnation() (member Node, number int) {
	at := strings.LastIndexByte(string(n), '~')
	if at <= 0 {
		return n, 0
	}
	for i, c := range []byte(n[at+1:]) {
		if c < '0' || c > '9' || i == 0 && c == '0' {
			return n, 0
		}
		if number = 10*number + int(c-'0'); number > maxIncarnation {
			return n, 0
		}
	}
	if number == 0 {
		return n, 0
	}
	return n[:at], number
}

// isPlain reports whether n is a node name of printed ASCII alone, as most are: it is asked for every dot that is read.
func (n Node) isPlain() bool {
	for i := range len(n) {
		if c := n[i]; c <= ' ' || c > '~' || c == '<' || c == ',' || c == '#' {
			return false
		}
	}
	return n != "" && len(n) <= MaxNodeLen
}

// Nodes is a declared order of nodes, lowest first: on a tie of version and time the later one wins. The order
// is what is declared and never the spelling, in which "10" would come before "9". The nil order declares nothing.
type Nodes []Node

// ParseNodes reads an order as a rule table writes it: "ap-south < eu-west < us-east".
func ParseNodes(text string) (Nodes, error) {
	var order Nodes
	for name := range strings.SplitSeq(text, "<") {
		order = append(order, Node(strings.TrimSpace(name)))
	}
	if err := order.Check(); err != nil {
		return nil, err
	}
	return order, nil
}

// Check reports the first name that can't be one or stands twice.
func (order Nodes) Check() error {
	seen := make(map[Node]bool, len(order))
	for _, n := range order {
		if err := n.Check(); err != nil {
			return err
		}
		if seen[n] {
			return fmt.Errorf("node %q stands twice in the order", string(n))
		}
		seen[n] = true
	}
	return nil
}

// Rank returns the place of n in the order, counted from 1, and 0 for a node that is not declared.
func (order Nodes) Rank(n Node) int {
	for i, declared := range order {
		if declared == n {
			return i + 1
		}
	}
	return 0
}

// String is the inverse of [ParseNodes], but for the empty order, which a rule table can't write.
func (order Nodes) String() string {
	var b strings.Builder
	for i, n := range order {
		if i > 0 {
			b.WriteString(" < ")
		}
		b.WriteString(string(n))
	}
	return b.String()
}
