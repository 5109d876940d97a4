// Command owntype shows a replicated type of one's own: the rating of a product, on which customers vote in two regions while
// the link between them is cut. The obvious merge, the average of both averages, breaks a law, and the checker says on what:
//
//	go run ./examples/owntype
//
// What keeps the laws is in rating.go, and the proof that a team would put into its CI in main_test.go.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tiebreakhq/tiebreak/crdt/law"
)

func main() { run(os.Stdout) }

// average is the merge that does not work: it forgets how many votes an average stands for.
func average(a, b float64) float64 { return (a + b) / 2 }

func run(out io.Writer) {
	fmt.Fprintln(out, "The average of averages: us has 1 and 5, eu has 5, ap has 3.")
	us, eu, ap := average(1, 5), 5.0, 3.0
	fmt.Fprintf(out, "  us with eu, then ap: %.2f\n", average(average(us, eu), ap))
	fmt.Fprintf(out, "  us with ap, then eu: %.2f\n", average(average(us, ap), eu))
	fmt.Fprintf(out, "  %v\n", law.Check(average, func(a, b float64) bool { return a == b }, us, eu, ap))

	fmt.Fprintln(out, "Every vote under its voter. Both regions have the votes of ann and bob.")
	here := Rating{}.Vote("ann", 1).Vote("bob", 5)
	there := here
	fmt.Fprintln(out, " ", here)

	fmt.Fprintln(out, "The link is cut. Here cem votes 5 and ann thinks again, there dora votes 3.")
	here = here.Vote("cem", 5).Vote("ann", 4)
	there = there.Vote("dora", 3)
	fmt.Fprintln(out, "  here: ", here)
	fmt.Fprintln(out, "  there:", there)

	fmt.Fprintln(out, "The link is back, and sends everything twice.")
	here = Merge(Merge(here, there), there)
	there = Merge(Merge(there, here), here)
	fmt.Fprintln(out, "  here: ", here)
	fmt.Fprintln(out, "  there:", there)
}
