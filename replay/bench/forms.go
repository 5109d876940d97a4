package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// runForms runs the dry run over the same writes in each form, with what their writers had seen, with deletes, with reads, and
// over compressed ones beside only unpacking them; and over feeds of regions that replicate, beside the same without -origin.
func (c *comparison) runForms(to io.Writer) error { return c.show(to, c.formContenders, formTable) }

// formContenders makes the histories and returns what is to be run, each beside what it is compared with.
func (c *comparison) formContenders() (all []*contender, err error) {
	if err := c.build(); err != nil {
		return nil, err
	}
	add := func(name, file string, beside *contender, args ...string) (*contender, error) {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		one := &contender{name: name, args: append(args, file), bytes: info.Size(), beside: beside}
		all = append(all, one)
		return one, nil
	}
	var first *contender // the native form
	for _, f := range forms {
		file, err := c.make(string(f), f)
		if err != nil {
			return nil, err
		}
		args := c.dryRun()
		if f != native && f != packed {
			args = append(args, "-origin", "origin") // else nothing in an export says where a write began
		}
		one, err := add("run: "+string(f), file, first, args...)
		if err != nil {
			return nil, err
		}
		first = cmp.Or(first, one)
	}
	for _, f := range replicated {
		for _, regions := range []int{2, 3} {
			bare, err := c.feeds(f, regions)
			if err != nil {
				return nil, err
			}
			bare.beside = first
			all = append(all, bare, &contender{name: "run: the same, with -origin", args: append(slices.Clone(bare.args), "-origin", origins[f]),
				bytes: bare.bytes, beside: bare})
		}
	}
	for _, kind := range []struct{ name, flag string }{
		{"seen as numbers", "-seen=numbers"}, {"seen as list", "-seen=list"}, {"a tenth deletes", "-deletes=0.1"}, {"as many reads", "-reads=1"},
	} {
		file, err := c.make(strings.ReplaceAll(kind.name, " ", "-"), native, kind.flag)
		if err != nil {
			return nil, err
		}
		if _, err := add("run: "+kind.name, file, first, c.dryRun()...); err != nil {
			return nil, err
		}
	}
	for _, ending := range []string{".gz", ".zst"} {
		file, err := c.make("packed"+ending, native)
		if err != nil {
			return nil, err
		}
		bare, err := add("only unpack: "+ending, file, first, c.self, "-floor", "unpack", "-o")
		if err != nil {
			return nil, err
		}
		if _, err := add("run: native "+ending, file, bare, c.dryRun()...); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// feeds makes the feeds of regions and returns the run over them, without -origin.
func (c *comparison) feeds(f form, regions int) (*contender, error) {
	dir, err := c.make(fmt.Sprintf("%s-%d", f, regions), f, fmt.Sprintf("-regions=%d", regions))
	if err != nil {
		return nil, err
	}
	one := &contender{name: fmt.Sprintf("run: %d regions of %s", regions, f), args: c.dryRun()}
	for i, file := range feedFiles(dir, regions) {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		one.args, one.bytes = append(one.args, "-region", regionName(i)+"="+file), one.bytes+info.Size()
	}
	return one, nil
}

// formTable writes what was measured, and how much longer each takes than what it is compared with, as a whole and for
// each byte of its file.
func formTable(to io.Writer, all []*contender) error {
	out := bufio.NewWriter(to)
	fmt.Fprintf(out, "%s %8s %8s %8s  %s\n", heading, "file MB", "ratio", "a byte", "of")
	for _, c := range all {
		beside := cmp.Or(c.beside, c)
		ratio := c.over(beside)
		fmt.Fprintf(out, "%s %8.0f %7.2fx %7.2fx  %s\n", c, float64(c.bytes)/1e6, ratio,
			ratio*float64(beside.bytes)/float64(c.bytes), beside.name)
	}
	return out.Flush()
}
