// Package gen holds generators for property tests with gopter: what goes wrong between regions, so that the test of a
// merge need not invent it.
//
// [Histories] are writes of several nodes under a rule table, with what each writer had truly seen, and with what happens to
// the writes on their way: cut off and healed, late, out of order, twice. [Networks] are that last part alone, for
// operations of your own. [Stamps] are claims to win, which often tie. A property of ten lines then tries a merge on what
// takes a bad night to happen:
//
//	properties.Property("replicas that got everything agree", prop.ForAll(func(h gen.History) bool {
//		replicas := []*merge.State{merge.NewState(table), merge.NewState(table), merge.NewState(table)}
//		for _, a := range h.Arrivals(len(replicas)) {
//			if _, err := replicas[a.To].Apply(h.Ops[a.Write]); err != nil {
//				return false
//			}
//		}
//		return same(replicas...)
//	}, gen.Histories(table, gen.Shape{})))
//
// A case that fails is shrunk to fewer writes and fewer faults, then to simpler ones, with what each writer had seen worked
// out anew. It is printed in the native history format, so "tiebreak why" can tell more. The reporter that gopter uses by
// default breaks lines after 75 bytes; give it a wider one:
//
//	properties.TestingRun(t, gopter.NewFormatedReporter(false, 1000, os.Stdout))
//
// All chance comes from gopter: parameters with a seed repeat a run to the byte.
//
// HAZARD: gopter shrinks the arguments of a property one after the other and does not come back to the first. That is why a
// history carries its network; two arguments that mean something only together are rarely shrunk well.
//
// The package generates no reads, no transactions and none but small values; [Shape.Value] is for your own.
package gen
