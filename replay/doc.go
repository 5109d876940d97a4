// Package replay says what would have happened: it runs a rule table over a recorded history and reports which writes it
// would keep, which it would lose, and why.
//
// [Collect] reads sources into a [History], once. [History.Run] merges it under a table into a [Report]; [History.Why] tells
// the [Story] of one key; [History.Diff] says what another table would change; [History.Laws] tries the rules' laws on the
// values of the history. [History.Save] and [Load] keep what was read, so that tomorrow's run reads tomorrow's file only. A
// [Checkpoint] does that for each of many inputs by itself, so that a run that was interrupted goes on where it was.
//
//	h, err := replay.Collect([]history.Source{history.File("shop.ndjson.zst")}, history.Options{})
//	report := h.Run(table, replay.Options{})
//	report.Totals.Lost                     // {Min: 41, Max: 44}
//
// The state is that of [merge.Cell], the very fold a service embeds; where writes of nothing but one field are only to be
// compared, it compares them as the cell does, by [merge.Rule.Beats]. What the engine adds is what no single replica can
// know: the whole set of writes, and who had seen what.
//
// # What the words mean
//
//   - conflict: an unordered pair of writes to one key and field, neither in the other's causal past. Pairs are counted
//     exactly, at any number of writes to a key.
//   - overwritten: a loser that some write which had seen it replaced, whether that one won or not: its writer wanted something
//     else. Not a loss. In a set what replaces an element is about that element; an increment, or an entry of a log, replaces
//     nothing, and a delete all.
//   - lost: a loser that nobody who had seen it replaced, and whose value differs from what was kept.
//   - inversion: a writer had seen a write with a greater stamp than its own, so the later write lost. It is counted under lww:
//     other rules let something go before the stamps, or first ones win, on purpose.
//   - coin toss: a decision by time closer than the skew that the history shows between the two clocks, or by the logical parts
//     of equal times.
//
// # Who had seen what
//
// It comes, for each record, from the best of: its own context (seen), the version its writer had read (base), the
// positions of both writes in the export of the writer's region (where writes of the other's node stand in it at all: an export may hold
// those of its own region alone; and what does not stand in it counts as not seen there, be it that it arrived before the export
// begins), a stated replication lag. With none of them the answer is unknown, and every count that depends on it is a range: at least, at most. A node is sequential: each of its writes
// has seen its earlier ones. A write that was named anew where it arrived is a [history.Arrival] there: the row that it left tells
// which write it is, and where two writes of its origin left the row alike, it is one of these, and what turns on it a range. Ids of the form "node:seq" are followed over all keys, other ids within their key. A context names
// all that its writer had seen, a list without what those writes had seen and its node had written: where one of them, or of its node's own, on the same key
// does not say what it had seen, the writer may have seen that too; on another key it counts as having seen nothing else. A
// context says nothing of what it could not have named, which is a write without an id, and for numbers one whose id is not of
// the form "node:seq": the writer may have seen it, unless the context is empty. A base tells that its writer had seen the write of
// that version, or one of them where there are several, and what that one had seen; 0 is before all. Where no write to the
// key has that version it tells nothing, unless all others have later ones: these had not been seen.
//
// The writes of a node to a key are in the order of the numbers of their ids, if all have some, else of their positions in the
// export of its region, else of their versions, else of their times.
//
// What is kept, refused or combined is what the rule makes of what is known, where what is not known to be seen counts as unseen.
// How many of these writes may be overwritten, or lost, is in the ranges.
//
// HAZARD: an op id is compared within its key. One id on two keys is two operations.
//
// Equal histories and tables give equal reports, byte for byte, whatever the order of the inputs, GOMAXPROCS and the
// memory that it may use. The package does no I/O but through the sources it is given, in the directory of a
// [Checkpoint], and to a temporary file for the writes that do not fit into [history.Options.Memory]: [History.Err] tells
// whether it could be read back.
//
// # What it costs
//
// A record is read once, kept as about a hundred bytes by part of the keys, in memory or on disk, and each part is then
// folded on its own. On Linux what goes to the disk goes past the system's cache of files from half a gigabyte on, as long as
// the disk keeps up, and so do sources that are larger than half of the memory.
//
// Most keys are plain: their writes set or raise fields and say nothing of what their writers had seen, and their ids,
// versions or times put those of a node in order. Of those each write is looked at in 64 bytes for each field; of all
// others in about 200, beside the record.
//
// Any number of keys, and a key of any length, keep within the limit. A key that doesn't fit is folded in runs when it is a
// plain one, and else in a temporary file that is mapped, in half as much time again. What its cell remembers is in memory all the
// same, and that may be much: a set of its elements, a keep-all of its siblings. So are the names of nodes and of the fields of a
// key, and those records and values that are at hand.
//
// HAZARD: one key is folded by one goroutine: where a key holds half of a history's writes, the other processors have nothing
// to do meanwhile. Where there is no mapping of files (on systems other than Linux), the writes of a long key that is not plain
// are in memory.
package replay
