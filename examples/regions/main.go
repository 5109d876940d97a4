// Command regions runs three regions as three processes, each with a replica on its own disk and a NATS server of its own,
// cuts one of them off, has all of them write, kills the one that is cut off in the middle of its writes, starts it again,
// heals the link, and checks how it ended. In this directory, which is a module of its own because of NATS:
//
//	go run .
//	go test .
//
// Nothing has to be installed: the servers are part of the binary, which starts itself three times. It takes some ten
// seconds, and leaves nothing behind.
//
//	main.go     the story, and what must be true at its end
//	region.go   one region: what a service writes that takes NATS for its transport
//	process.go  the processes, and what the story says to them
//	link.go     the link that is cut
//
// The hub of the leaf nodes is eu-west; ap-south and us-east connect to it, and to each other through it. It shows how the
// parts fit, not how NATS is run: no accounts, no TLS, and a single server in each region.
package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
)

const (
	hubNode  = clock.Node("eu-west")
	patience = 30 * time.Second // for regions to become equal
)

var (
	nodes = []clock.Node{"ap-south", "eu-west", "us-east"}
	table = merge.MustParseTable(rules)
)

const rules = `
nodes ap-south < eu-west < us-east
ledger/*  *       refuse
stock/*   count   counter
cart/*    items   add-wins
ticket/*  status  prefer closed > open
*         *       lww
`

func main() {
	if status, is := child(); is {
		os.Exit(status)
	}
	dir, err := os.MkdirTemp("", "regions")
	if err == nil {
		err = errors.Join(run(os.Stdout, dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "regions:", err)
		os.Exit(1)
	}
}

// story is the three regions, the links, and what the regions have acknowledged.
type story struct {
	out   io.Writer
	dir   string
	hub   string // where its server takes leaf nodes
	links map[clock.Node]*link
	at    map[clock.Node]*process

	mu    sync.Mutex
	acked map[clock.Dot]command
	alone map[clock.Dot]bool // of acked: written while the link was cut
	isCut bool
}

func run(out io.Writer, dir string) (err error) {
	s := &story{
		out: out, dir: dir, links: make(map[clock.Node]*link), at: make(map[clock.Node]*process),
		acked: make(map[clock.Dot]command), alone: make(map[clock.Dot]bool),
	}
	defer func() { err = errors.Join(err, s.end()) }()
	if s.hub, err = freePort(); err != nil {
		return err
	}
	for _, chapter := range []func() error{s.together, s.cut, s.apart, s.crash, s.heal, s.ending} {
		if err := chapter(); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) end() error {
	var all error
	for _, l := range s.links {
		all = errors.Join(all, l.listener.Close())
	}
	for _, p := range s.at {
		all = errors.Join(all, p.stop())
	}
	return all
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *story) start(node clock.Node) error {
	where := s.hub
	if node != hubNode {
		if s.links[node] == nil {
			l, err := newLink(s.hub)
			if err != nil {
				return err
			}
			s.links[node] = l
		}
		where = s.links[node].listener.Addr().String()
	}
	p, err := startProcess(node, s.dir, where)
	if err == nil {
		s.at[node] = p
	}
	return err
}

// write has a region make a write, and remembers it when it was acknowledged.
func (s *story) write(node clock.Node, do, key, field, v, request string) (reply, error) {
	c := command{Do: do, Key: key, Field: field, Value: v, Request: request}
	r, err := s.at[node].do(c)
	if err != nil {
		return r, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[r.Dot], s.alone[r.Dot] = c, s.isCut
	return r, nil
}

// writes is write for a list of lines: region, what it does, key, field, value.
func (s *story) writes(lines string) error {
	for line := range strings.Lines(lines) {
		w := strings.Fields(line)
		if len(w) == 0 {
			continue
		}
		if _, err := s.write(clock.Node(w[0]), w[1], w[2], w[3], w[4], ""); err != nil {
			return err
		}
		s.say("  %-8s %-6s %-10s %-7s %s", w[0], w[1], w[2], w[3], w[4])
	}
	return nil
}

func (s *story) status(node clock.Node) (reply, error) { return s.at[node].do(command{Do: "status"}) }

// until asks again and again until a condition holds.
func (s *story) until(what string, holds func() (bool, error)) (time.Duration, error) {
	began := time.Now()
	for time.Since(began) < patience {
		if ok, err := holds(); ok || err != nil {
			return time.Since(began), err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return 0, fmt.Errorf("not within %s: %s", patience, what)
}

// equal reports whether all regions have seen the same operations.
func (s *story) equal() (bool, error) {
	seen := make(map[string]bool)
	for _, n := range nodes {
		r, err := s.status(n)
		if err != nil {
			return false, err
		}
		seen[r.Seen] = true
	}
	return len(seen) == 1, nil
}

func (s *story) together() error {
	s.say("Three regions start, each a process with a replica and a NATS server. This is how they want data merged:\n%s", rules)
	for _, n := range []clock.Node{"eu-west", "ap-south", "us-east"} {
		if err := s.start(n); err != nil {
			return err
		}
	}
	s.say("They are connected, and write.")
	err := s.writes(`
		us-east   set     order/1   status  paid
		us-east   set     order/2   status  paid
		us-east   set     order/3   status  paid
		eu-west   set     ticket/9  status  open
		eu-west   add     stock/tea count   1000
		ap-south  insert  cart/7    items   bread
		eu-west   set     ledger/1  balance 100`)
	if err != nil {
		return err
	}
	took, err := s.until("all regions have everything", s.equal)
	if err != nil {
		return err
	}
	// Pulls that are answered now are what makes those that are not, later, mean something.
	if _, err = s.until("pulls are answered", func() (bool, error) {
		r, err := s.status("ap-south")
		return r.Counts.Answered >= 4, err
	}); err != nil {
		return err
	}
	s.say("Everybody has everything after %s.", took.Round(10*time.Millisecond))
	return nil
}

// cut cuts ap-south off, and believes it only when the counters say so.
func (s *story) cut() error {
	s.say("\nThe link of ap-south is cut. A drill that cuts a link nobody uses proves nothing, so:")
	before, err := s.status("ap-south")
	if err != nil {
		return err
	}
	s.links["ap-south"].set(true)
	s.isCut = true
	if _, err := s.until("the counters show the cut; does the leaf go around the link?", func() (bool, error) {
		ap, err := s.status("ap-south")
		if err != nil {
			return false, err
		}
		eu, err := s.status("eu-west")
		return ap.Counts.Links == 0 && eu.Counts.Links == 1 && ap.Counts.Unanswered >= before.Counts.Unanswered+4, err
	}); err != nil {
		return err
	}
	carried := s.links["ap-south"].carried.Load()
	probe, err := s.write("eu-west", "set", "probe", "sent", "by-eu", "")
	if err != nil {
		return err
	}
	lacks := func(n clock.Node) (bool, error) {
		r, err := s.at[n].do(command{Do: "missing", Dots: []clock.Dot{probe.Dot}})
		return len(r.Missing) == 1, err
	}
	took, err := s.until("the probe is in us-east", func() (bool, error) { absent, err := lacks("us-east"); return !absent, err })
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	absent, err := lacks("ap-south")
	if err != nil {
		return err
	}
	ap, err := s.status("ap-south")
	if err != nil {
		return err
	}
	grew := s.links["ap-south"].carried.Load() - carried
	if !absent || grew != 0 || ap.Counts.Links != 0 || ap.Counts.Answered > before.Counts.Answered+2 {
		return fmt.Errorf("the cut is none: the probe absent %t, %d bytes carried, %+v", absent, grew, ap.Counts)
	}
	s.say("  leaf nodes at ap-south 0, at the hub 1 of 2; attempts to connect turned away: %d", s.links["ap-south"].refused.Load())
	s.say("  pulls of ap-south: %d answered before, %d unanswered since", before.Counts.Answered, ap.Counts.Unanswered-before.Counts.Unanswered)
	s.say("  a probe of eu-west came to us-east in %s; ap-south has not got it 2 s later; the link carried %d bytes",
		took.Round(10*time.Millisecond), grew)
	return nil
}

func (s *story) apart() error {
	s.say("\nBoth sides go on writing, and each write is acknowledged.")
	return s.writes(`
		ap-south  set     order/1   status  cancelled
		us-east   set     order/1   status  shipped
		us-east   set     order/2   status  shipped
		ap-south  set     order/2   status  refunded
		eu-west   set     order/3   status  packed
		us-east   set     ticket/9  status  closed
		ap-south  set     ticket/9  status  open
		eu-west   insert  cart/7    items   milk
		us-east   remove  cart/7    items   bread
		ap-south  insert  cart/7    items   bread
		eu-west   add     stock/tea count   -30
		us-east   add     stock/tea count   -7
		ap-south  set     ledger/1  balance 80
		us-east   set     ledger/1  balance 60`)
}

const (
	burst   = 400 // writes of ap-south, of which each second sells one tea and the others are orders
	writers = 8
)

// crash kills ap-south while it writes, what nobody else has, and starts it again.
func (s *story) crash() error {
	p := s.at["ap-south"]
	type result struct {
		n int
		reply
		err error
	}
	send := func(n int) result {
		do, key, field, v := "add", "stock/tea", "count", "-1"
		if n%2 == 0 {
			do, key, field, v = "set", fmt.Sprintf("order/ap-%d", n), "status", "paid"
		}
		r, err := s.write("ap-south", do, key, field, v, fmt.Sprintf("req-%d", n))
		return result{n, r, err}
	}
	jobs, results := make(chan int, burst), make(chan result)
	for n := range burst {
		jobs <- n
	}
	close(jobs)
	var busy sync.WaitGroup
	for range writers {
		busy.Go(func() {
			for n := range jobs {
				r := send(n)
				results <- r
				if r.err != nil {
					return
				}
			}
		})
	}
	go func() { busy.Wait(); close(results) }()
	acked, killed := make(map[int]clock.Dot), make(chan bool)
	var open []int
	for r := range results {
		switch {
		case errors.Is(r.err, errGone):
			open = append(open, r.n)
		case r.err != nil:
			return r.err
		default:
			acked[r.n] = r.Dot
			if len(acked) == burst/2 {
				go func() { p.kill(); close(killed) }()
			}
		}
	}
	<-killed
	s.say("\nap-south, which nobody can reach, takes orders from %d writers at once, and is killed with kill -9.", writers)
	s.say("  acknowledged: %d; under way, so that nobody knows: %d", len(acked), len(open))
	if len(open) == 0 {
		return errors.New("the kill came too late: nothing was under way")
	}
	if err := s.start("ap-south"); err != nil {
		return err
	}
	r, err := s.at["ap-south"].do(command{Do: "missing", Dots: slices.Collect(maps.Values(acked))})
	if err != nil {
		return err
	}
	s.say("It starts again, still cut off. Of what it had acknowledged, its disk lacks %d writes.", len(r.Missing))
	if len(r.Missing) > 0 {
		return fmt.Errorf("acknowledged and not there: %v", r.Missing)
	}
	// Clients repeat what they got no answer to, under the same request, and send the rest.
	repeated := 0
	for n := range burst {
		if _, done := acked[n]; done {
			continue
		}
		do := send(n)
		if do.err != nil {
			return do.err
		}
		if do.Repeated {
			repeated++
		}
	}
	s.say("Clients repeat the %d under the same requests: %d had been carried out and are not again.", len(open), repeated)
	return nil
}

func (s *story) heal() error {
	s.say("\nThe link is healed.")
	s.links["ap-south"].set(false)
	s.isCut = false
	took, err := s.until("all regions have everything", s.equal)
	if err != nil {
		return err
	}
	s.say("All regions have seen the same after %s. What had come which way, since each process started:", took.Round(10*time.Millisecond))
	var byStream int64
	for _, n := range nodes {
		r, err := s.status(n)
		if err != nil {
			return err
		}
		byStream += r.Counts.Bus
		s.say("  %-8s by stream %d, by pull %d; came again and changed nothing: %d", n, r.Counts.Bus, r.Counts.Pulled, r.Counts.Again)
	}
	if byStream == 0 {
		return errors.New("the streams carried nothing: only pulls did")
	}
	s.say("A stream that lost its source asks for it again after ten seconds or more. Pulls every half second did not wait for that.")
	return nil
}

// ending checks how it ended, and says what was lost to which rule.
func (s *story) ending() error {
	dots := slices.SortedFunc(maps.Keys(s.acked), clock.Dot.Compare)
	fates := make(map[fate][]string) // and who told it
	var states []string
	for _, n := range nodes {
		r, err := s.at[n].do(command{Do: "missing", Dots: dots})
		if err != nil {
			return err
		}
		if len(r.Missing) > 0 {
			return fmt.Errorf("%s lacks what was acknowledged: %v", n, r.Missing)
		}
		if r, err = s.at[n].do(command{Do: "state"}); err != nil {
			return err
		}
		states = append(states, r.Text+r.Seen)
		if _, err = s.at[n].do(command{Do: "audit"}); err != nil {
			return err
		}
		if r, err = s.status(n); err != nil {
			return err
		}
		for _, f := range r.Fates {
			if told := fates[f]; !slices.Contains(told, string(n)) {
				fates[f] = append(told, string(n))
			}
		}
	}
	if len(slices.Compact(slices.Clone(states))) != 1 {
		return fmt.Errorf("the states differ:\n%s", strings.Join(states, "\n\n"))
	}
	s.say("\nThe three states are equal, byte for byte (%d bytes as text), and so is Seen; an audit among all finds no difference.", len(states[0]))
	s.say("Acknowledged writes: %d. Missing anywhere: 0.", len(dots))

	s.say("What was lost, or must be looked at:")
	named := make(map[clock.Dot]bool) // by an event
	var lines []string
	for f, told := range fates {
		if f.Write.Seq == 0 {
			return fmt.Errorf("in %s: %s: %s", strings.Join(told, ", "), f.Kind, f.Key)
		}
		named[f.Write] = true
		line := fmt.Sprintf("  %-8s %s %s", f.Key, s.describe(f.Write), f.Kind)
		if f.Against.Seq != 0 {
			line += " against " + s.describe(f.Against)
		}
		if f.Kind == merge.Lost.String() {
			line += " by " + f.By
		} else {
			named[f.Against] = true
		}
		lines = append(lines, fmt.Sprintf("%s, under %s (told in %s)", line, f.Rule, strings.Join(told, ", ")))
	}
	slices.Sort(lines)
	s.say("%s", strings.Join(lines, "\n"))
	return s.account(dots, named)
}

func (s *story) describe(d clock.Dot) string {
	return fmt.Sprintf("%s=%s (%s)", s.acked[d].Do, s.acked[d].Value, d)
}

// account finds every acknowledged write in what the regions show, or in an event that names it.
func (s *story) account(dots []clock.Dot, named map[clock.Dot]bool) error {
	shown := make(map[[2]string]string)
	sums := make(map[[2]string]int64)
	kept, told, overwritten := 0, 0, 0
	for _, d := range dots {
		c := s.acked[d]
		at := [2]string{c.Key, c.Field}
		if _, known := shown[at]; !known {
			r, err := s.at[hubNode].do(command{Do: "get", Key: c.Key, Field: c.Field})
			if err != nil {
				return err
			}
			shown[at] = r.Text
		}
		switch {
		case c.Do == "add":
			n, err := strconv.ParseInt(c.Value, 10, 64)
			if err != nil {
				return err
			}
			sums[at] += n
			kept++
		case c.Do == "remove", strings.Contains(shown[at], strconv.Quote(c.Value)), shown[at] == c.Value:
			kept++
		case named[d]:
			told++
		case !s.alone[d]:
			overwritten++ // by a write of the time of the cut, whose writer had seen it
		default:
			return fmt.Errorf("%s: %+v was acknowledged, is not shown, and no event names it", d, c)
		}
	}
	for at, sum := range sums {
		if shown[at] != strconv.FormatInt(sum, 10) {
			return fmt.Errorf("%s %s shows %s, the acknowledged writes add up to %d", at[0], at[1], shown[at], sum)
		}
		s.say("%s: %d in all regions, which is what the acknowledged writes add up to: none twice, none missing.", at[0], sum)
	}
	s.say("Of the acknowledged writes %d are in what is shown, %d were overwritten by writers who had seen them, %d are named above.",
		kept, overwritten, told)
	return nil
}
