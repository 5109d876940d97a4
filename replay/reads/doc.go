// Package reads judges the reads that a history recorded: whether each showed what it had been promised.
//
// A history that keeps its reads is judged under a rule table, and [Check] returns a [Report]:
//
//	h, err := replay.Collect(sources, history.Options{Reads: true})
//	r, err := reads.Check(h, table, reads.Options{Skew: 50 * time.Millisecond})
//	r.Levels[0].Stale                 // and Fine, and CannotTell
//
// # Levels
//
// A read is held to what it wanted; one that says nothing, to what [Options.Promise] says of its key.
//
//	strong       as if there were one copy: the key is linearizable
//	bounded:D    what was replaced longer than D before the read began is not shown
//	quorum       a write that was acknowledged before the read began is not missed
//	session      a session's own writes, and what it has read, are not missed later in it
//	eventual     nothing, so it is always fine; how far behind it was is measured all the same
//
// A strong read is held to what session promises too. "Missed" is told by the rule of the table: a read misses a write when it
// shows one that loses to it ([merge.Rule.Compare]), for a replica that had both would have shown the other. A strong read is
// judged by real time: what one write left in place before the next began is older, whatever their stamps say. Of a rule that
// turns on who had seen what, clocks may put a write before one whose writer had seen it, and then what a replica shows may go
// back to a third one: where they do, only strong reads of that key are judged.
//
// # What can be known
//
// The verdict is fine, stale, or that nobody can tell, and then why. Times are taken with what is not known of them:
//
//   - A time is as precise as its digits, in steps of a second, a millisecond, a microsecond and a nanosecond, for the zeros at its end
//     may stand for what was cut off: one of whole seconds may be up to a second later, however it is written, and one of a tenth
//     of a second up to a millisecond.
//   - Times of two records are compared with a tolerance of [Options.Skew] either way. When a read ended before the write that it
//     saw began, the clocks show a greater one, which is taken instead.
//   - A write that says when it was called (start) and acknowledged (end) has that interval. One that has a time only was called
//     no later and acknowledged no earlier, and that is all, unless [Options.Lag] says by when it must have been: then no
//     strong read can be shown to have missed it but through other strong reads that saw it, and no quorum or bounded read.
//   - What a write replaced had been replaced no earlier than its time, or else its start, and no later than it was acknowledged:
//     that is what a bounded read is held to.
//   - A read that was promised less than strong may itself be old, or see a write that is still under way. It shows that the write
//     which it saw had begun by the time it ended, and nothing of what other reads ought to have seen, but those of its session.
//   - Who had seen what a writer had seen (seen, base) has seen it: that puts writes in order without any clock, and nobody saw a
//     write before all that its writer had seen had begun. What Options.Lag says of it is as unsure as the times.
//
// A read is stale when it is so at every time that the records allow, and fine when it is at every one too.
//
// Linearizability is that of the writes and the strong reads. It is judged twice, in two ways: by the zones of the writes, which
// names the read and its witness, in n log n, and by a search for an order (the model checker porcupine), which also judges reads
// of which it is not known which of several writes they saw. The search is bounded in steps, never in time, so equal histories get equal reports.
//
// A read that found nothing came before the first write or after a delete, and one that tells a version which several writes have
// saw one of them: of those that had begun before it ended. It is fine when it is with one that had for certain, or with all that
// may have, and stale when it is with all that may have.
//
// HAZARD: the history is taken to hold every write of a key that has reads. A read of a write that it lacks can't be judged,
// and a write that is missing can't be missed.
//
// HAZARD: a session is one caller after the other, on one clock: what had ended when a call began came before it, and where
// nothing says when it ended, what had begun.
//
// HAZARD: a read is of one key. What a reader may see of several keys at once is not checked.
//
// Memory is that of the history: see [history.Options.Memory]. The reads are parted by key and beyond it in a temporary file, as
// the writes are, and several goroutines judge a few keys at a time. Of a key that has more operations and reads than three
// for each 16 KiB of it, 49,152 in 256 MiB, nobody can tell, nor of one whose operations times its nodes are more than 32 times
// that; which keys those are depends on nothing else. What is of no one key
// is bounded too: see [Options.Limit]; and the ages of more than 262,144 reads of one level are counted to a thousandth.
package reads
