// Package clock says when a write happened: who wrote it, at what time, and what its writer had seen.
//
// A [Node] names a writer and [Nodes] is the declared order of all of them. A [Timestamp] is a hybrid logical
// time and a [Clock] issues them. A [Dot] names one write for ever, and a [Vector] is a set of dots: what a
// replica has seen, with every hole a [Range].
//
//	var c clock.Clock                     // the zero value reads the system's clock
//	sent := c.Now()                       // later than all c has issued or observed
//	if err := c.Observe(remote); err != nil {
//		return err                    // too far ahead: refused whole, c has not moved
//	}
//	next := c.Now()                       // later than remote too
//
//	var seen clock.Vector
//	seen.Add(clock.Dot{Node: "us-east", Seq: 1})
//	seen.Add(clock.Dot{Node: "us-east", Seq: 3})
//	seen.Gaps("us-east")                  // [2-2]
//
// A hybrid logical clock follows physical time, never goes back, and passes everything it has been shown, so
// that a write which had seen another one has the greater timestamp. The construction is that of Kulkarni,
// Demirbas, Madappa, Avva and Leone, "Logical Physical Clocks" (OPODIS 2014), with the logical count carried
// in the nanoseconds: one word, one atomic step.
//
// HAZARD: a timestamp orders writes, it does not say what a writer had seen. Of two writes with unequal
// timestamps either may be ignorant of the other. Causality needs a [Vector].
//
// HAZARD: one node name on two writers (a copied directory, a restored backup) makes two different writes
// with one dot and perhaps one timestamp. Nothing here can see it; what compares payloads can.
//
// The package reads no clock but through [Clock.Source], starts no goroutine, and does no I/O.
package clock
