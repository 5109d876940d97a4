// Package merge says which of the two a key gets: a rule under which one write wins (package lww), or one under which
// nobody loses (package crdt).
//
// A [Table] is a text that people review. It assigns a [Rule] to every key and field, first match wins; [ParseTable]
// reports all mistakes of a file at once. An [Op] is one atomic change to one key. A [State] is the merged state that a
// service holds: apply operations in any order, as often as they come, and states that have seen the same operations are
// equal. Every operation is answered with a [Verdict] for each field: what became of it, by which rung of the ladder, by how
// much, against which write.
//
//	table, err := merge.ParseTable("shop.tb", text)     // all mistakes at once
//	state := merge.NewState(table)
//	verdicts, err := state.Apply(merge.Op{
//		Key:    "orders/1",
//		Fields: []merge.Field{{Name: "status", Value: value.Text("paid")}},
//		Stamp:  lww.Stamp{Time: now, Node: "us-east"},
//		Dot:    clock.Dot{Node: "us-east", Seq: 7},
//		Seen:   seen,
//	})
//	state.Get("orders/1", "status")                      // "paid", or what beat it
//
// The fold is what a dry run runs: package replay applies recorded histories to these very cells. The reason comes out of
// the comparison that decided, never from a second one.
//
// # Rules
//
//	lww                 the greatest stamp wins: version, time, node, then delete before set, then value
//	fww                 the lowest version, time, node wins
//	max                 the greatest value; a delete is below every value, so it never wins
//	min                 the least value; a delete never wins
//	highest COLUMN      the write whose column is greatest, as a whole; a delete has no column and never wins
//	prefer A > B > C    the value that stands first; what is not on the list comes after all that is
//	prefer-node A > B   the write of the node that stands first
//	counter             the sum of all increments, each once; a delete undoes those it had seen
//	grow-only           a set that only grows
//	add-wins            a set; a remove takes out the adds it had seen
//	remove-wins         a set; of concurrent adds and removes of an element the remove wins
//	enable-wins         a flag; of concurrent writes true wins
//	disable-wins        a flag; of concurrent writes false wins
//	keep-all            all values that no other writer had seen, as an array
//	union               the values that no other writer had seen, which are arrays, united
//	delete-wins         of concurrent writes a delete wins; a write that had seen the delete lives
//	update-wins         of concurrent writes a set wins over a delete
//	append              a log: every value, in the order of time; a delete drops those before its own
//	refuse              concurrent writes are an incident: one is kept, the same one everywhere, and all are refused
//
// and a user's own [Custom] rule by its name. The line "profile NAME" makes lww decide as a database does: see [Profiles]. The
// option "together" makes the fields of a line one cell, so that all come from one write: who deletes one of the fields writes the
// others, with null in its place; under highest they are one without it. A rule that turns on causality takes it from [Op.Seen];
// what is not known to be seen counts as unseen.
//
// max, min and highest compare numbers by size: 1.0 is as great as 1, and the ladder decides between the two. Its last rung
// compares values by the bytes of their text, by which 9 is above 10 and every text below every number: it is the same
// everywhere and means nothing. What a rule has no use for, such as an increment of what lww decides, is told: see [Rule.Takes].
//
// A delete of a set takes out what its writer had seen, adds and removes alike, under remove-wins too: it beats no add that it had
// not seen, and a remove that it had seen is no longer there to beat one. To a flag a delete is a write of false. What stands in a
// prefer line is a number, true, false or null where it reads as one, and a text otherwise.
//
// HAZARD: max, min, highest and, of what is on its list, prefer never take a value back, deletes included. They fit what only moves
// one way.
//
// HAZARD: two replicas under different tables never agree. Compare [Table.Fingerprint] before operations pass.
//
// # Bytes
//
// Operations and states have one form in bytes each, the same wherever they come from: [Op.AppendBinary] and [DecodeOp],
// and key by key [State.AppendRecord] and [State.MergeRecord]. What is not canonical, damaged or beyond the [Limits] is
// refused and changes nothing. [Sum] and [State.Sum] stand for them where replicas compare.
//
//	data, err := op.AppendBinary(nil)                    // a log keeps it, a signature covers it
//	op, err = merge.DecodeOp(data, merge.Limits{Bytes: 1 << 20})
//
//	for at := 0; at < state.Len(); at += 1000 {          // a snapshot in pieces, while writes go on
//		for _, key := range state.Keys(at, 1000) {
//			record, err := state.AppendRecord(nil, key)
//			...
//		}
//	}
//
// An operation on one field, of a writer that has seen three regions, takes 105 bytes. A record needs no log: a replica
// that merges it has all that was applied to the key. It holds what the table says of its key as a fingerprint, so it
// outlives every change of the table that is not about the key.
//
// # Forgetting
//
// Counters, sets and flags remember every operation until [State.Settle] hears that all replicas have it. Then a counter of
// a hundred thousand increments takes less than two hundred bytes. Nothing that readers see ever depends on who has
// settled, or when.
//
// HAZARD: a horizon must be causally stable, which is more than applied everywhere. [State.Settle] says how to find one.
//
// The package reads no clock, starts no goroutine, and does no I/O; no result depends on the order of a map.
package merge
