package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// furtherRules are the rules that a further table has where the first has lww.
var furtherRules = []string{"lww", "fww", "max", "delete-wins", "update-wins", "refuse", "union", "keep-all"}

// furtherNodes are the orders of nodes that further tables have, one each: none is that of the first.
var furtherNodes = []string{"ap-south < us-east < eu-west", "eu-west < ap-south < us-east", "eu-west < us-east < ap-south",
	"us-east < ap-south < eu-west", "us-east < eu-west < ap-south"}

// runTables runs the dry run over the history beside a diff of that table and five more, for each rule that these may have.
func (c *comparison) runTables(to io.Writer) error { return c.show(to, c.tableContenders, tablesTable) }

func (c *comparison) tableContenders() (all []*contender, err error) {
	if err := c.build(); err != nil {
		return nil, err
	}
	history, err := c.make("native.ndjson", native)
	if err != nil {
		return nil, err
	}
	first := filepath.Join(c.work, "bench.tb")
	all = append(all, &contender{name: "run: one table", args: append(c.dryRun(), history)})
	for _, rule := range furtherRules {
		args := []string{c.ours, "diff", "-json", "-fail-on", "op_mismatch", "-rules", first} // ends with 0 though fields differ
		for i, nodes := range furtherNodes {
			name := filepath.Join(c.work, fmt.Sprintf("%s-%d.tb", rule, i))
			if err := os.WriteFile(name, []byte(furtherTable(nodes, rule)), 0o666); err != nil {
				return nil, err
			}
			args = append(args, "-rules", name)
		}
		all = append(all, &contender{name: "diff: five more, " + rule, args: append(args, history)})
	}
	return all, nil
}

// furtherTable returns the table of the workload with another order of nodes, and another rule where that has lww.
func furtherTable(nodes, rule string) string {
	text, err := files.ReadFile("bench.tb")
	if err != nil {
		panic(err) // it is embedded
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "nodes "):
			lines[i] = "nodes " + nodes
		case strings.HasSuffix(line, " lww"):
			lines[i] = strings.TrimSuffix(line, "lww") + rule
		}
	}
	return strings.Join(lines, "\n")
}

// tablesTable writes what was measured, and what each further table takes of the time of the run with the first alone.
func tablesTable(to io.Writer, all []*contender) error {
	out := bufio.NewWriter(to)
	fmt.Fprintf(out, "%s %8s %8s\n", heading, "a table", "of CPU")
	for i, c := range all {
		fmt.Fprint(out, c)
		if i > 0 {
			fmt.Fprintf(out, " %7.0f%% %7.0f%%", further(c.times, all[0].times), further(c.cpu, all[0].cpu))
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// further returns how many hundredths of the time with one table each of those beside it takes.
func further(all, first []time.Duration) float64 {
	one := float64(median(first))
	return 100 * (float64(median(all)) - one) / float64(len(furtherNodes)) / one
}
