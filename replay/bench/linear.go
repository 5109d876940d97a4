package main

import (
	"bufio"
	"fmt"
	"io"
	"time"
)

// runLinear runs the dry run over the history beside one of a tenth and one of three times as many writes, beside the same on one processor,
// and beside two such runs at once: what those take together is what two processors of this machine can do.
func (c *comparison) runLinear(to io.Writer) error {
	return c.show(to, c.linearContenders, linearTable)
}

func (c *comparison) linearContenders() (all []*contender, err error) {
	if err := c.build(); err != nil {
		return nil, err
	}
	histories := map[int]string{}
	for _, writes := range []int{c.writes, c.writes / 10, 3 * c.writes} {
		histories[writes], err = c.make(fmt.Sprintf("%d.ndjson", writes), native, fmt.Sprintf("-writes=%d", writes),
			fmt.Sprintf("-keys=%d", max(int(int64(c.keys)*int64(writes)/int64(c.writes)), 1)))
		if err != nil {
			return nil, err
		}
	}
	add := func(name string, writes, copies int, env ...string) {
		all = append(all, &contender{name: name, args: append(c.dryRun(), histories[writes]), env: env, copies: copies, writes: copies * writes})
	}
	const alone = "GOMAXPROCS=1"
	add("run", c.writes, 1)
	add("run: a tenth of the writes", c.writes/10, 1)
	add("run: three times the writes", 3*c.writes, 1)
	add("run: on one processor", c.writes, 1, alone)
	add("two of these at once", c.writes, 2, alone)
	return all, nil
}

// linearTable writes what was measured, for each write too: by the clock, and of the processors.
func linearTable(to io.Writer, all []*contender) error {
	out := bufio.NewWriter(to)
	fmt.Fprintf(out, "%s %8s %8s %8s %8s\n", heading, "ns each", "ratio", "CPU ns", "ratio")
	for _, c := range all {
		clock, cpu := c.each(median(c.times)), c.each(median(c.cpu))
		fmt.Fprintf(out, "%s %8.0f %7.2fx %8.0f %7.2fx\n", c, clock, clock/all[0].each(median(all[0].times)),
			cpu, cpu/all[0].each(median(all[0].cpu)))
	}
	return out.Flush()
}

// each returns how many nanoseconds of d each write is.
func (c *contender) each(d time.Duration) float64 {
	return float64(d.Nanoseconds()) / float64(c.writes)
}
