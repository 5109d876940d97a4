// Package drill rehearses losing a region on a recorded history: it says what a cut, a stop, a restart from an old backup
// or a wrong clock would have done to the state, before one does.
//
// A [Script] says where the replicas are, what is promised of which keys, and what happens when. [Traffic] is a history in
// the order of time. [Run] lets both happen in virtual time and returns a [Result], the after-action report: [Text],
// [Markdown] and [JSON] write it. Every simulated region runs the fold of package merge, the very one that a service
// embeds; there is no second implementation of a rule.
//
//	script, err := drill.ParseScript("lunch.drill", text)          // all mistakes at once
//	traffic, err := drill.Collect(sources, history.Options{})      // read once, for many drills
//	result, err := drill.Run(script, table, traffic, drill.Options{})
//	result.Passed, result.Failed()                                 // for a test of yours
//	drill.Text(os.Stdout, result)
//
// [Compare] puts the same drill under several tables or scripts side by side, and [Script.Calm] is the same day without
// the incidents, which [Options.Calm] lets happen beside the drill, to tell what of a count is theirs. [FindLimit] searches for the load at which the links no longer keep pace. [JUnit] is for servers that run
// checks. [Runbook] writes the script as steps for people, and [Audit] says whether a runbook is still true. [Script.Play]
// lets the same steps happen to a service of yours in a test.
//
// # The script
//
// A text file in the manner of a rule table: one thing a line, "#" begins a comment, names with spaces stand in double
// quotes, * in KEYS and NODES is any run of characters. Of regions, links and classes the first match wins, and a line that
// can never match is a mistake.
//
//	drill   "eu-west cut off at the lunch peak"
//	seed    7                                    # of all that is left to chance
//	region  us-east  = us-* feed-*               # the nodes that live there
//	region  eu-west  = eu-*  apart 1ms           # each node has a replica of its own, 1ms from the others
//	region  ap-south = ap-* legacy-*
//	link    eu-west us-east  40ms +-5ms          # how long a write takes, both ways; eu-west > us-east is one way
//	link    *  80ms +-20ms  loss 0.1%  duplicate 0.1%  reorder 1%  bandwidth 500/s  queue 90000 throttle
//	class   critical = ledger/* stock/*    reads quorum  writes quorum
//	class   rest     = *                   reads local   writes local
//	probe   orders/* in us-east after 2s         # a reader made up for the drill
//	stuck   after 5m                             # a write that is not everywhere by then is told; 1m when left out
//	timeout after 5s                             # who asks other regions waits no longer; 5s when left out
//	load    x2 from 12:00 for 1h                 # or: faster x2; or with KEYS: x3 orders/* from ...
//
//	at 11:55   step "tell everybody that the drill begins"    owner "support"
//	at 12:00   cut eu-west for 20m                            owner "network"
//	at 12:05   skew us-east +400ms for 10m
//	at 12:10   restart ap-south from backup 11:00             owner "storage"
//	at 12:15   check undecided == 0              else rollback freeze critical for 5m
//	step       "tell support which carts changed"             owner "support"  handoff
//
//	check      critical refused <= 1000          else rollback heal
//	check      lost orders/* <= 50 or idle       # no orders is fine too
//	within     5m of heal: converged
//
// What happens at a time:
//
//	cut REGION, cut REGION REGION, cut REGION > REGION     those links carry nothing
//	heal, heal REGION ...                                  all or those carry again what has waited; a cut of others too goes on for them
//	stop REGION-OR-NODE, start REGION-OR-NODE              it takes no writes and answers no reads
//	restart REGION-OR-NODE from backup TIME                what it has had since is gone, and sent again by who has it
//	skew REGION +400ms, drift REGION +10ms/h               its clock
//	freeze CLASS, thaw CLASS                               its writes are refused
//	table FILE, table FILE in REGION-OR-NODE               all go on under another rule table, or that place alone
//	link REGION REGION 300ms loss 5%                       that is what the link is like now
//	step "TEXT"                                            something that people do; without "at", when the line above is
//	check ...                                              now
//
// A link has a delay, and may have, in any order: +-DURATION, by which the delay varies; loss, duplicate and reorder, in percent of
// the writes; a bandwidth, in writes or bytes as in 500/s or 2MB/s; and "queue N refuse" or "queue N throttle": so many writes may
// be on their way, and what is beyond them is refused, or waits.
//
// cut, stop, skew, drift, freeze and link take "for DURATION", and are over by themselves. Every line may name its owner,
// and "handoff" says that the owner must be told.
//
// A read of the history that wanted better than it is shown is told as stale_read, whatever the level of its class: by strong and
// quorum what was acknowledged before it began, by "bounded:5s" that up to 5s before, by session, and by strong too, what its session
// had read before. As in package reads it has missed a write when it would have shown something else with it: not when what
// it shows beats that. The measure stale counts every read that was answered without an acknowledged write to its key, of whatever field,
// whatever it wanted and whether or not that shows. Which writes are a session's own a drill does not know; the judgement of the reads as recorded does.
//
// Levels of reads and writes are local, quorum, all, "2 of 3"; of reads also "bounded 5s" (another region answers when
// one's own is further behind) and session (or when it lacks what the session has read). A class is critical when its
// name is, or its line has the word: two sides that both write one of its keys are a split brain when at the second write a link
// between them is down, either way, and the first has not come, also one that was already on its way, unless the second writer asked
// others and was shown it. What is written to the key until all of that is everywhere belongs to it. "leader KEYS" makes keys critical that say who leads.
//
// A check has a measure, and a class or KEYS: writes, refused, unavailable, unknown, throttled, lost, undecided, vanished, stale,
// unread, age, latency, stuck, split-brain, hidden, backlog; see [Measure]. One with an upper bound, which == 0 is too,
// holds throughout: it fails at the moment it is broken, takes its rollback, and the drill goes on. "within DURATION of EVENT:" waits for a
// check or for "converged" after every heal, cut, stop, start, restart, or after a time. Converged is when every write that had been
// accepted by then is in every region: what is accepted meanwhile it does not wait for, and a report says where some of that was
// still on the way.
//
// A check that holds, and whose class or keys had no write by then, could measure nothing: it is untried, and has not passed. Of
// reads that is when there was no read, of a split brain when there was no write to a critical key. Where that may be so, as of a class
// that is idle on some days, "or idle" stands behind the limit.
//
// Lost is what a dry run of the history calls so, by the same words: an acknowledged loser that nobody who had seen it replaced, and
// that says something else than what is kept; an absolute value that a counter can't add is one. What a writer had seen is another
// matter: a drill knows it of each, from what its region had got over the links of the script, where a dry run goes by the records and
// gives a range when they say nothing. So a drill of a calm day mostly comes out within that range, and need not.
//
// # Times
//
// A time like 12:00 is of the first day of the history, in UTC; a full date as 2026-05-20T12:00:00Z may stand instead, for
// histories over several days. A step, a timer or a load more than a day from the history is an error, and so is what can't matter to
// it: a cut that is over before its first write, a heal before that, a clock that is set a minute after its last.
//
// A write is made when its record says, at the region of its node, and is stamped with the recorded time, moved by what the
// script does to the region's clock; "clocks hybrid" stamps by hybrid logical clocks instead. One that first asks other regions (see
// Quorums) is made when they have answered, and its stamp is later by as long as that took. Its writer has seen what its
// region has at that moment, which after a restart lacks writes of its own too, and, unless it asked, not more than the history says
// it had seen. At one moment steps come first, then arrivals, then answers, then writes, then reads; of writes and of reads those of
// a node whose name is less, and of a node those of a key whose name is less.
//
// A cut link, and one to or from a stopped region, holds what is on it, and sends all of it again when it is up.
//
// # Quorums
//
// A write by quorum first asks everybody what they have of its key. When enough have answered, so that it has seen all of
// that, it is made in its own region, sent to all others, and acknowledged when enough of them have it: two round trips, and
// what two writers do to one key meanwhile is a conflict as ever. A read by quorum is one round trip, and shows the merge of
// what the first regions to answer had. Who has no quorum in sight is refused at once. Who waits in vain while asking is
// refused after the timeout; a write whose class is frozen when the answers come is refused then, and one whose node is
// stopped by then is unavailable. A write that was made and not acknowledged by the timeout is unknown to its client, though
// it stays and spreads. It was promised to nobody, so it is not counted as lost. A node makes its writes to a key one after
// another: the next one asks when the one before is made. When R and W together are more than all regions, a read shows
// every write that was acknowledged before it began, as long as no replica goes back to a backup. Questions and answers take
// the time and the losses of their link, no bandwidth, and a cut takes those that are under way.
//
// # What is told, and since when
//
// Of a split brain, a lost quorum and writes that are stuck a result says when it began, when it could first be seen, when it
// was over, and which keys it was about. A split brain is shown as soon as some replica has the first write of both sides, or
// writes of both sides are stuck, so that both regions name the key; where the key says who leads, and the sides say two, that
// is told. A lost quorum is shown by the first read or write that is refused for it. A write is stuck at its bound, counted
// from when it was made or from when a restart took it away again somewhere, after it was everywhere from the next that did.
//
// Each node of a region has an equal share of the queue of every link from there: a loud one waits or is refused, is named,
// and leaves the others theirs. A class counts what asking other regions has prevented, beside what it cost: writes that
// saw by it what they would else have been in conflict with, and reads that were shown what their own region lacked.
//
// # Several replicas in a region
//
// A region is one replica that serves all its nodes, unless it is apart: then each node has one, the nodes of two regions
// have a link of that quality each, with its own bandwidth and queue, and a region has answered a question when most of its
// replicas have. A script that restarts a node from a backup, or gives a node a table of its own, puts the nodes of its
// region apart by 1ms.
//
// # Two tables
//
// Replicas under tables with different fingerprints refuse to mix, so their links hold all writes, as if cut, and answer no
// questions, until the fingerprints are equal again. Losses are counted under the old table until the last has left it.
//
// # What nobody can know
//
// HAZARD: a drill replays what writers did. A writer that saw less, or was refused, might have done something else; writes
// whose writers had seen what the drill hid from them are counted as hidden, and the first are named.
//
// HAZARD: a node of a region that is not apart has no replica of its own: stopping it stops its writes and reads, and the
// region keeps what it has.
//
// Equal scripts, tables, traffic and seeds give equal results, byte for byte. The package does no I/O but through the
// sources it is given.
package drill
