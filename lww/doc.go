// Package lww says who wins: of two writes exactly one is kept, the same one everywhere.
//
// A write claims to win with a [Stamp]: a version, a time, a node. A [Ladder] compares two claims rung by rung and
// returns the order together with the [Rung] that decided. A [Register] is one value with its claim, a [Map] many;
// merging them returns a [Verdict]: which side was kept, by which rung, by how much.
//
//	ladder := lww.Ladder{Nodes: clock.Nodes{"ap-south", "eu-west", "us-east"}}
//	a := lww.Register[string]{Stamp: lww.Stamp{Time: t1, Node: "eu-west"}, Value: "paid"}
//	b := lww.Register[string]{Stamp: lww.Stamp{Time: t1, Node: "us-east"}, Value: "open"}
//	kept, why := lww.Merge(&ladder, a, b)
//	// kept.Value == "open"; why.String() == "right by node: 1 place later in the order"
//
// The ladder is a lexicographic order, so the greatest of any set of writes is the same however they arrive,
// however often, and in whatever groups they are merged. Last-writer-wins registers are those of Johnson and Thomas,
// "The Maintenance of Duplicate Databases" (RFC 677, 1975), which already breaks ties by node.
//
// HAZARD: the loser is gone. Where both must survive, use package crdt.
//
// HAZARD: do not count stamps "within d of each other" as a tie. With d = 5 the times 0, 3 and 6 tie pairwise but
// for (0, 6), and the result depends on who met whom first. Skew belongs in a report, never in the order.
//
// HAZARD: version comes before time, so the side of a cut that wrote more often beats the one that wrote last.
// That is what a version is for; it should surprise nobody.
package lww
