package merge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// stampedOps are two writes and a delete by each of two nodes, with versions and times that tie.
func stampedOps() (ops []Op) {
	for _, node := range []clock.Node{"a", "b"} {
		for _, version := range []uint64{1, 2} {
			for _, wall := range []int64{5, 6} {
				for _, v := range []value.Value{"1", "2", ""} {
					op := Op{Key: "k", Fields: []Field{{Name: "f", Value: v}}, Stamp: lww.Stamp{Version: version, Time: clock.Timestamp{Wall: wall}, Node: node}}
					if v == "" {
						op.Kind = Delete
					}
					op.Dot = clock.Dot{Node: node, Seq: uint64(len(ops) + 1)}
					ops = append(ops, op)
				}
			}
		}
	}
	return ops
}

// What each database decides, as the chain of its profile says, between every two writes of the alphabet: the value that
// is kept. Listed are the fields that are compared, in order; the first that differs decides.
var chains = map[string]func(a, b Op) []int{
	"cassandra":          func(a, b Op) []int { return []int{byWall(a, b), byDelete(a, b), byValue(a, b)} },
	"scylladb":           func(a, b Op) []int { return []int{byWall(a, b), byDelete(a, b), byValue(a, b)} },
	"spock":              func(a, b Op) []int { return []int{byWall(a, b), -byNode(a, b)} },
	"pgactive":           func(a, b Op) []int { return []int{byWall(a, b), -byNode(a, b)} },
	"pgd":                func(a, b Op) []int { return []int{byWall(a, b), byNode(a, b)} },
	"couchbase":          func(a, b Op) []int { return []int{byWall(a, b), byVersion(a, b), -byDelete(a, b)} },
	"couchbase-sequence": func(a, b Op) []int { return []int{byVersion(a, b), byWall(a, b), -byDelete(a, b)} },
	"cosmosdb":           func(a, b Op) []int { return []int{byDelete(a, b), byWall(a, b)} }, // of two writes that had not seen each other
}

func byWall(a, b Op) int    { return int(a.Stamp.Time.Wall - b.Stamp.Time.Wall) }
func byVersion(a, b Op) int { return int(a.Stamp.Version) - int(b.Stamp.Version) }
func byNode(a, b Op) int    { return int(a.Stamp.Node[0]) - int(b.Stamp.Node[0]) }
func byValue(a, b Op) int   { return value.Compare(a.Fields[0].Value, b.Fields[0].Value) }
func byDelete(a, b Op) int {
	switch {
	case a.Kind == b.Kind:
		return 0
	case a.Kind == Delete:
		return 1
	}
	return -1
}

func TestProfilesDecideAsTheirDatabasesDo(t *testing.T) {
	for _, p := range Profiles() {
		if p.Diverges != "" {
			_, err := ParseTable("t", []byte("nodes a < b\nprofile "+p.Name+"\n* * lww"))
			require.ErrorContains(t, err, p.Diverges, "a table can't name what does not converge")
			continue
		}
		table := MustParseTable("nodes a < b\nprofile " + p.Name + "\n* * lww")
		chain := chains[p.Name]
		require.NotNil(t, chain, p.Name)
		fold := func(ops ...Op) value.Value {
			s := NewState(table)
			for _, op := range ops {
				_, err := s.Apply(op)
				require.NoError(t, err)
			}
			return s.Get("k", "f")
		}
		for _, a := range stampedOps() {
			for _, b := range stampedOps() {
				kept := fold(a, b)
				require.Equal(t, kept, fold(b, a), "%s: order shows", p.Name)
				for _, c := range chain(a, b) {
					if c == 0 {
						continue
					}
					want := a
					if c < 0 {
						want = b
					}
					require.Equal(t, want.Fields[0].Value, kept, "%s: %v, %v", p.Name, a, b)
					break
				}
				for _, c := range stampedOps() {
					require.Equal(t, fold(a, b, c), fold(c, b, a), "%s: order shows", p.Name)
				}
			}
		}
	}
}

// The counter-example of each profile that diverges is one: two replicas that exchanged everything still differ. And it
// is the smallest, for one write alone is taken everywhere.
func TestDivergingProfilesDiverge(t *testing.T) {
	for _, p := range Profiles() {
		if p.Diverges == "" {
			continue
		}
		// A replica keeps a value and its time; an incoming write is applied when its time is greater, or, for some, equal.
		apply := func(storedValue, value string, storedTime, time int) (string, int) {
			if time > storedTime || p.acceptsTies && time == storedTime {
				return value, time
			}
			return storedValue, storedTime
		}
		a, _ := apply("1", "2", 5, 5) // a wrote 1, and b's write arrives
		b, _ := apply("2", "1", 5, 5) // b wrote 2, and a's write arrives
		require.NotEqual(t, a, b, p.Name)
		alone, _ := apply("", "1", 0, 5)
		require.Equal(t, "1", alone)
	}
}

func TestProfileLineIsHeldAgainstTheRest(t *testing.T) {
	for text, want := range map[string]string{
		"profile cassandr\n* * lww":                           `t:1: there is no profile "cassandr"; did you mean "cassandra"?`,
		"profile a b\n* * lww":                                "t:1: a profile line has one name",
		"profile spock\n* * lww":                              "breaks ties by node, and the table declares no order of nodes",
		"order version time node\nprofile cassandra\n* * lww": "t:2: a profile brings its own order, and line 1 has another",
		"profile cassandra\nprofile scylladb\n* * lww":        `t:2: "profile" stands on line 1 already`,
		"nodes a < b\nprofile cockroachdb\n* * lww":           "they swap values for ever",
	} {
		_, err := ParseTable("t", []byte(text))
		require.ErrorContains(t, err, want, text)
	}
	plain, cassandra := MustParseTable("* * lww"), MustParseTable("profile cassandra\n* * lww")
	require.NotEqual(t, plain.Fingerprint(), cassandra.Fingerprint())
}

// The list is the caller's own, and begins with those that a table can name.
func TestProfilesAreListed(t *testing.T) {
	all := Profiles()
	require.NotEmpty(t, all)
	named := 0
	for i, p := range all {
		_, err := ParseTable("t", []byte("nodes a < b\nprofile "+p.Name+"\n* * lww"))
		if p.Diverges == "" {
			assert.NoError(t, err, p.Name)
			assert.Equal(t, named, i, "those come first")
			named++
		} else {
			assert.ErrorContains(t, err, p.Database)
		}
	}
	all[0].Name = "mine"
	assert.NotEqual(t, "mine", Profiles()[0].Name)
}

// A database that lets the lower node win turns the ladder around, and not what the table declared.
func TestAProfileLeavesTheDeclaredNodesAlone(t *testing.T) {
	table := MustParseTable("nodes a < b < c\nprofile spock\n* * lww")
	assert.Equal(t, clock.Nodes{"a", "b", "c"}, table.Nodes)
	assert.Equal(t, clock.Nodes{"c", "b", "a"}, table.Ladder.Nodes)
}

// A value is larger by what it is and not by how JSON spells it, and null is a delete there.
func TestTheLargerValueIsNotTheLargerSpelling(t *testing.T) {
	for _, profile := range []string{"cassandra", "scylladb"} {
		table := MustParseTable("nodes a < b\nprofile " + profile + "\n* * lww")
		for _, c := range [][2]value.Value{{"9", "10"}, {`"new"`, `"new order"`}, {`"a\"b"`, `"aZ"`}, {"true", "null"}, {`"x"`, "null"}, {"null", ""}} {
			for _, nodes := range [][2]clock.Node{{"a", "b"}, {"b", "a"}} {
				var ops []Op
				for i, v := range c {
					w := writer{node: nodes[i]}
					kind := Set
					if v == "" {
						kind = Delete
					}
					ops = append(ops, w.op(kind, "k", 5, field("f", v, "")))
				}
				for _, order := range [][2]int{{0, 1}, {1, 0}} {
					s := NewState(table)
					for _, i := range order {
						_, err := s.Apply(ops[i])
						require.NoError(t, err)
					}
					require.Equal(t, c[1], s.Get("k", "f"), "%s: %s", profile, c)
				}
			}
		}
	}
}

// An item that was deleted can be made again by who knows that it is gone; over whom does not, the delete wins.
func TestADeletedItemOfCosmosCanBeMadeAgain(t *testing.T) {
	table := MustParseTable("nodes a < b\nprofile cosmosdb\n* * lww")
	for _, sees := range []bool{true, false} {
		a, b := writer{node: "a"}, writer{node: "b"}
		ops := []Op{a.op(Set, "k", 1, field("x", "1", "")), a.op(Delete, "k", 2)}
		if sees {
			b.sees(&a)
		}
		ops = append(ops, b.op(Set, "k", 3, field("x", "2", "")))
		want := value.Value("")
		if sees {
			want = "2"
		}
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
			s := NewState(table)
			for _, i := range order {
				_, err := s.Apply(ops[i])
				require.NoError(t, err)
			}
			require.Equal(t, want, s.Get("k", "x"))
		}
	}
}
