// Package replica is what a service opens: clock, operation log, rule table, merged state and disk under one roof. It takes
// local writes and the operations of other regions, applies each exactly once, however often and in whatever order they
// come, survives the loss of its process, refuses what it must not trust, and catches up in one line.
//
//	us, err := replica.Open(dir, replica.Options{Node: "us-east", Table: table})
//	receipt, err := us.Set("orders/1", "status", value.Text("shipped"))     // on disk when it returns
//	us.Get("orders/1", "status")                                            // "shipped", or what beat it
//	receipt, err = us.Counter("stock/1", "count").Once("request 7").Add(-1) // counts once, however often it is repeated
//
//	_, err = eu.Apply("us-east", us.Since(eu.Seen()))                       // a push: over any bus, in any order, twice
//	err = eu.Pull("us-east", ask)                                           // or a pull: ask carries bytes to us.Serve and back
//
// # What it promises
//
// Acknowledged means on disk: a write that returned without an error is there after kill -9 and after a loss of power, if the
// disk keeps what it has synced. Writers that come together share one sync. What was not acknowledged is there whole or not at
// all. A retry under the same [Write.Request] does nothing twice, but for the last of the hazards below.
//
// Nobody reads, and no other replica gets, what is not on disk: the number of a lost write can't turn up elsewhere.
//
// Replicas that have seen the same operations are equal, whatever way these came: in batches, one by one, or as merged state
// when the log no longer reaches back. The fold is that of [merge.State], the one that a dry run runs.
//
// Whatever another region sends passes one gate ([merge.Gate]) as a whole or not at all, and a batch that is refused changes
// nothing: not the clock, not the log, not the state.
//
// # Who must have it, and what may be forgotten
//
// The members of an epoch acknowledge what they have; what all of them have is folded and leaves the log. A member that is
// away holds everything back, so that it can catch up; one that is lost for ever is left out of the next epoch: see
// [Replica.Enter]. What one of the others alone has of it reaches all of them then. Who is a member is agreed upon outside:
// this package contains no consensus.
//
// A directory is one replica, of one node ([ErrNode]). A second process can't open it. A copy of it is a backup: one made by
// [Replica.Backup] is known as such when it is opened, goes on under a new incarnation of its name ("us-east~2") in the names
// of operations, and writes once it has caught up ([ErrRestored]). One made behind the replica's back, such as the snapshot of a
// disk, is found out when it pulls from a peer that has seen more of it than it has itself, or something else: it takes up a
// new incarnation, gets back what it had forgotten, and issues again what it wrote in between under numbers that were taken,
// whether or not the others have folded theirs since. Who got that from it meanwhile starts over from its state when they meet
// again. A batch that is pushed to it or comes from it only tells ([Reused]). What can't heal by itself, because its owner is
// lost, a person decides with [Replica.Rebuild].
//
// One that lost its disk is opened in an empty directory and pulls from every other member before its first write: it gets back
// what they have, its own writes included, and goes on as another incarnation. One that writes first uses numbers that were
// taken, and is found out as a copy is.
//
// Peers compare their states in the normal exchange ([Options.AuditEvery]): two that have the same operations and differ are
// told ([Diverged]). It takes a moment in which both have the same, and have folded the same of it, as all have when nothing
// was written anywhere for that long. Between two of which one or the other always has a write on its way there may be
// none: [PeerStatus] says when they were last compared, and who must know more often lets the writes pause.
//
// # Another table
//
// A directory remembers its table, and replicas of two tables refuse each other's batches (rule_mismatch). A new one is
// rolled out member by member with [Options.Was].
//
// # Reads
//
// A replica answers from what it has. [Replica.Read] says up to when the writes of every member are included, and refuses to
// answer from what is older than the caller allows. Freshness is known from what peers say in batches: "these are all I
// wrote up to now".
//
// # What it does not do
//
// It starts no goroutine. The write that makes the log long enough writes the snapshot; a service that would rather do so in a
// goroutine of its own calls [Replica.Maintain]. It has no network: bytes go through funcs of the caller's. It holds the merged
// state in memory, and on disk the log and a snapshot of the state.
//
// HAZARD: two processes under one node name in two directories are two writers with one name. Peers refuse what the second one
// writes (op_id_reused) and tell it so; until then its users believe what they were told.
//
// HAZARD: a copy of a directory that was made behind the replica's back may write before it is found out, without having
// seen what it once acknowledged. What the others folded on the strength of that can then come out differently in two of
// them where a delete or a reset met it, and what the copy wrote may count twice in one of them: [Diverged] tells, and
// [Replica.Rebuild] heals. Backups made with [Replica.Backup] do not have this.
//
// HAZARD: of what it has folded, a replica remembers the latest 512 numbers of a node one by one, and fewer of those before. A
// copy that is found out later than that issues again what lies behind the last number that both know. And where several copies
// are found out at once, one may start over from the state of another that has yet to. What may be there twice then, or is lost,
// the [Reused] event says in its detail. Who starts over drops what others wrote under names that are void, or after having seen
// such a name, for they issue that again, and says how many: of one that was set back itself meanwhile it may have been the last
// to have it.
//
// HAZARD: where two members lose their disks one after the other, the one who wrote something and the one who had it, the others
// go on to wait for it: they forget nothing more ([Status.Retained] grows) and can't compare states. The next epoch, with the
// same members if need be, ends that.
//
// HAZARD: what was deleted is not forgotten, or an older write that comes late would bring it back: a key takes some 500
// bytes of memory, and about 80 of the snapshot, for ever. Who deletes keys and never uses them again, such as sessions by their
// ids, has a state that only grows ([Status].Keys).
//
// HAZARD: a replica whose own clock is ahead by more than the others allow ([Options.MaxDrift]) goes on to write, and they take
// nothing of it (clock_ahead) until their clocks have got there. Its stamps don't go back with its clock: it has told its
// disk, and its peers when it answered them, that nothing earlier will come. [Refused] tells it at the others, and there the [PeerStatus].Skew of all others,
// far below zero. Where the lead is too large to be waited for, the replica goes on in an empty directory, as one does that lost its disk; what it wrote since is
// in the [History] of the old one.
//
// HAZARD: a request id protects a retry at the replica that got the request. A client that goes on to another region may be
// carried out twice, unless what it does is idempotent by itself. And a replica that goes on from a backup does not know the
// requests of which it got back the effect alone, as merged state.
//
// All methods are safe for use by several goroutines.
package replica
