package merge

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/lex"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Profile is how a database decides between two writes of one row or cell: its tie chain, and what it does with deletes.
// A table with the line "profile NAME" decides by it wherever a rule asks the ladder, so that a dry run shows what that
// database would have done.
type Profile struct {
	Name     string // what a table writes; durable
	Database string
	Chain    string // what is compared, in the database's own order

	// Diverges is the smallest history on which two replicas of the database end up different for ever, "" when there is
	// none. No fold can imitate such a database, for the result is no function of the writes, so a table can't name it.
	Diverges string

	order       [3]lww.Rung
	lowerNode   bool // on a tie the first node of the order wins, not the last
	setsWin     bool
	deletesWin  bool // over what neither had seen the other, whatever the stamps
	largerValue bool // on a tie: the value that is larger, and not its spelling; null is a delete
	acceptsTies bool // of the diverging: an incoming write with an equal stamp is applied
}

// profiles are the databases whose chain is known from their source or documentation. The tie orders of vendors change:
// each says of which version it is.
var profiles = []Profile{
	{Name: "cassandra", Database: "Apache Cassandra (Cells.java)", Chain: "time, a delete (or null) beats a set, the larger value; it orders numbers by their bytes, which is not imitated below 0 and of decimals",
		order: [3]lww.Rung{lww.Time}, largerValue: true},
	{Name: "scylladb", Database: "ScyllaDB (timestamp-conflict-resolution)", Chain: "time, a delete (or null) beats a set, the larger value; expiry is not imitated, nor the order of numbers below 0 and of decimals",
		order: [3]lww.Rung{lww.Time}, largerValue: true},
	{Name: "spock", Database: "pgEdge Spock 6 (last_update_wins)", Chain: "commit time, the lower node",
		order: [3]lww.Rung{lww.Time, lww.Node}, lowerNode: true},
	{Name: "pgactive", Database: "pgactive 2.1", Chain: "commit time, the lower node",
		order: [3]lww.Rung{lww.Time, lww.Node}, lowerNode: true},
	{Name: "pgd", Database: "EDB Postgres Distributed 6 (update_if_newer)", Chain: "commit time, the higher node; its treatment of older remote deletes is not imitated",
		order: [3]lww.Rung{lww.Time, lww.Node}},
	{Name: "couchbase", Database: "Couchbase XDCR 8 (timestamp mode)", Chain: "time (CAS), revision count, a delete loses",
		order: [3]lww.Rung{lww.Time, lww.Version}, setsWin: true},
	{Name: "couchbase-sequence", Database: "Couchbase XDCR 8 (sequence mode)", Chain: "revision count, time (CAS), a delete loses",
		order: [3]lww.Rung{lww.Version, lww.Time}, setsWin: true},
	{Name: "cosmosdb", Database: "Azure Cosmos DB (last write wins)", Chain: "a delete wins over a write that had not seen it, whatever their times; then time",
		order: [3]lww.Rung{lww.Time}, deletesWin: true},

	{Name: "cockroachdb", Database: "CockroachDB logical replication (SQL writer)", Chain: "time; an equal one is applied", acceptsTies: true,
		Diverges: "a writes 1 and b writes 2 at one time: each applies the other's, and they swap values for ever"},
	{Name: "dynamodb", Database: "DynamoDB global tables (MREC)", Chain: "time, strictly greater; its tie rule is not documented",
		Diverges: "a writes 1 and b writes 2 at one time: by what is documented each keeps its own for ever"},
	{Name: "ndb-max", Database: "MySQL NDB (NDB$MAX)", Chain: "a column, strictly greater",
		Diverges: "a writes 1 and b writes 2 with one value of the column: each keeps its own for ever"},
	{Name: "symmetricds", Database: "SymmetricDS (newer wins by a column)", Chain: "a column, strictly greater",
		Diverges: "a writes 1 and b writes 2 with one value of the column: each keeps its own for ever"},
}

// Profiles returns all profiles, those that a table can name first.
func Profiles() []Profile { return slices.Clone(profiles) }

// apply makes the table decide as the database does.
func (p *Profile) apply(t *Table) {
	t.Ladder.Order, t.Ladder.SetsWin = p.order, p.setsWin
	if p.lowerNode {
		t.Ladder.Nodes = slices.Clone(t.Ladder.Nodes)
		slices.Reverse(t.Ladder.Nodes)
	}
	if p.deletesWin { // as of that rule: what had seen the delete makes the record anew
		for _, r := range t.Rules {
			if r.id == isLWW {
				r.id, r.family = isDeleteWins, specs[isDeleteWins].family
			}
		}
	}
}

// compareTied orders two writes whose stamps tie, where the database looks at more than the bytes of their values.
func (p *Profile) compareTied(a, b *Write) (order int, by lww.Rung) {
	gone, other := a.Deleted || a.Value == value.Null, b.Deleted || b.Value == value.Null
	switch {
	case gone != other:
		return sign(gone), lww.Kind
	case gone:
		return 0, lww.Same
	}
	return value.Compare(a.Value, b.Value), lww.Value
}

func (t *Table) parseProfile(line lex.Line, ms *lex.Mistakes) {
	var names []string
	for _, p := range profiles {
		if p.Diverges == "" {
			names = append(names, p.Name)
		}
	}
	const help = "as in: profile cassandra"
	if len(line.Words) != 2 {
		ms.Add(line.Number, help, "a profile line has one name")
		return
	}
	name := line.Words[1].Text
	at := slices.IndexFunc(profiles, func(p Profile) bool { return p.Name == name })
	switch {
	case at < 0:
		near := lex.Nearest(name, names)
		if near != "" {
			near = "did you mean \"" + near + "\"?"
		}
		ms.Add(line.Number, near, "there is no profile %q", name)
	case profiles[at].Diverges != "":
		ms.Add(line.Number, "", "no table can imitate %s, for it does not converge: %s", profiles[at].Database, profiles[at].Diverges)
	default:
		t.Profile = &profiles[at]
	}
}
