package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// region is what runs in a process of its own: a NATS server, the replica, and what carries bytes between the two.
//
// Its operations go into the stream OPS_<region> of its own JetStream domain, which takes them whatever the links do. The
// stream IN_<region> sources those of the other two across the leaf nodes. The streams are transport and nothing else: what
// they lose, delay or deliver twice is made good by the replica, which pulls from its peers and knows what it has seen.
type region struct {
	node    clock.Node
	replica *replica.Replica
	server  *server.Server
	conn    *nats.Conn
	js      jetstream.JetStream
	wrote   chan struct{} // holds one token when there may be something to publish

	take sync.Mutex // makes the two ways in take turns, so that what each brought can be told

	mu     sync.Mutex
	counts counts
	fates  []fate
}

// counts says what came which way, and what a cut shows in: they are since the process started.
type counts struct {
	Bus, Pulled          int64 // operations that the stream and that pulls brought first
	Again                int64 // operations that came once more
	Answered, Unanswered int   // pulls
	Links                int   // leaf node connections of the server, now
}

// fate is what an event of the replica says of one write: what became of it, against which other, by which rung of which rule.
type fate struct {
	Key, Kind, By, Rule string
	Write, Against      clock.Dot
}

// command and reply are what the script and a region say to each other, a line each.
type command struct {
	ID                             int
	Do, Key, Field, Value, Request string
	Dots                           []clock.Dot
}

type reply struct {
	ID       int
	Error    string
	Dot      clock.Dot
	Repeated bool
	Text     string
	Seen     string
	Counts   counts
	Fates    []fate
	Missing  []clock.Dot
}

// serve is the life of a region: it obeys commands until there are none.
func serve(node clock.Node, dir, hub string, in io.Reader, out io.Writer) error {
	g, err := start(node, dir, hub)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	lines := json.NewEncoder(out)
	if err := lines.Encode(reply{Text: "ready"}); err != nil {
		return err
	}
	var busy sync.WaitGroup
	for scan := bufio.NewScanner(in); scan.Scan(); {
		var c command
		if err := json.Unmarshal(scan.Bytes(), &c); err != nil {
			return err
		}
		// Commands run side by side, so that writes share syncs.
		busy.Go(func() {
			answer := g.obey(c)
			answer.ID = c.ID
			mu.Lock()
			defer mu.Unlock()
			_ = lines.Encode(answer) // nobody listens any more: the next Scan ends
		})
	}
	busy.Wait()
	g.conn.Close()
	g.server.Shutdown()
	return g.replica.Close()
}

func start(node clock.Node, dir, hub string) (*region, error) {
	g := &region{node: node, wrote: make(chan struct{}, 1)}
	var err error
	g.replica, err = replica.Open(filepath.Join(dir, "replica"), replica.Options{Node: node, Table: table, Observe: g.observe})
	if err != nil {
		return nil, err
	}
	opt := &server.Options{
		ServerName: string(node), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, JetStreamDomain: string(node), StoreDir: filepath.Join(dir, "nats"),
	}
	where, err := url.Parse("nats://" + hub)
	if err != nil {
		return nil, err
	}
	if node == hubNode {
		// HAZARD: without NoAdvertise here and IgnoreDiscoveredServers there, a leaf learns the hub's own address and connects
		// around whatever was put between them: the drill would cut a link that nobody uses.
		opt.LeafNode = server.LeafNodeOpts{Host: "127.0.0.1", Port: portOf(where), NoAdvertise: true}
	} else {
		opt.LeafNode.ReconnectInterval = 200 * time.Millisecond
		opt.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{where}, IgnoreDiscoveredServers: true}}
	}
	if g.server, err = server.NewServer(opt); err != nil {
		return nil, err
	}
	g.server.Start()
	if !g.server.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the NATS server does not come up")
	}
	// A source that is set up before its link is there is tried again after ten seconds or more: wait a little for the link.
	for wait := time.Now(); node != hubNode && g.server.NumLeafNodes() == 0 && time.Since(wait) < time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	if g.conn, err = nats.Connect("", nats.InProcessServer(g.server)); err != nil {
		return nil, err
	}
	if g.js, err = jetstream.New(g.conn); err != nil {
		return nil, err
	}
	return g, g.join()
}

// join makes the streams and starts to publish, to take and to answer.
func (g *region) join() error {
	// Who asks is in the subject. A service gives each region's account the right to its own subjects alone: that is what
	// authenticates the source that the replica is told.
	_, err := g.conn.Subscribe("tiebreak."+string(g.node)+".serve.*", func(m *nats.Msg) {
		asker := clock.Node(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
		_ = m.Respond(g.replica.Serve(asker, m.Data)) // an answer that gets lost is asked for again
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	own, err := g.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "OPS_" + string(g.node), Subjects: []string{"ops." + string(g.node)}, MaxAge: time.Hour, // pulls reach further
	})
	if err != nil {
		return err
	}
	incoming := jetstream.StreamConfig{Name: "IN_" + string(g.node), MaxAge: time.Hour}
	for _, peer := range g.peers() {
		incoming.Sources = append(incoming.Sources, &jetstream.StreamSource{Name: "OPS_" + string(peer), Domain: string(peer)})
	}
	if _, err = g.js.CreateOrUpdateStream(ctx, incoming); err != nil {
		return err
	}
	// The stream is read from its start each time: what the replica has already changes nothing.
	inbox, err := g.js.OrderedConsumer(context.Background(), incoming.Name, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	if _, err = inbox.Consume(g.deliver); err != nil {
		return err
	}
	// What was acknowledged here and did not make it into the stream before the process died is published now.
	var sent clock.Vector
	switch last, err := own.GetLastMsgForSubject(ctx, "ops."+string(g.node)); {
	case errors.Is(err, jetstream.ErrMsgNotFound):
	case err != nil:
		return err
	default:
		b, err := replica.DecodeBatch(last.Data)
		if err != nil {
			return err
		}
		sent.AddUp(b.Last.Node, b.Last.Seq)
	}
	g.wrote <- struct{}{}
	go g.publish(sent)
	go g.pullAgainAndAgain()
	return nil
}

func (g *region) peers() []clock.Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n clock.Node) bool { return n == g.node })
}

// publish puts what this region writes into its stream, as many operations at a time as have come together.
func (g *region) publish(sent clock.Vector) {
	for range g.wrote {
		b := g.replica.Since(sent)
		if len(b.Ops) == 0 {
			continue
		}
		data, err := b.AppendBinary(nil)
		if err == nil {
			_, err = g.js.Publish(context.Background(), "ops."+string(g.node), data)
		}
		if err == nil {
			sent.AddUp(b.Last.Node, b.Last.Seq)
		}
		// Otherwise the next write tries again. Until then, and where a batch had no room for all, peers pull.
	}
}

// deliver takes a batch out of the stream.
func (g *region) deliver(m jetstream.Msg) {
	source := clock.Node(strings.TrimPrefix(m.Subject(), "ops."))
	b, err := replica.DecodeBatch(m.Data())
	if err != nil {
		return // a batch that was damaged under way is one that got lost
	}
	g.count(func(c *counts) *int64 { return &c.Bus }, func() {
		_, _ = g.replica.Apply(source, b) // one that is refused is an event; what it lacks is pulled
	})
}

// pullAgainAndAgain gets what the streams did not bring: after a cut and a restart, and whenever a batch got lost.
func (g *region) pullAgainAndAgain() {
	for {
		time.Sleep(500 * time.Millisecond)
		for _, peer := range g.peers() {
			g.count(func(c *counts) *int64 { return &c.Pulled }, func() {
				err := g.replica.Pull(peer, g.ask(peer))
				g.mu.Lock()
				defer g.mu.Unlock()
				if err != nil {
					g.counts.Unanswered++
				} else {
					g.counts.Answered++
				}
			})
		}
	}
}

func (g *region) ask(peer clock.Node) func([]byte) ([]byte, error) {
	return func(request []byte) ([]byte, error) {
		m, err := g.conn.Request("tiebreak."+string(peer)+".serve."+string(g.node), request, time.Second)
		if err != nil {
			return nil, err
		}
		return m.Data, nil
	}
}

// count adds what take brings in to one of the counts.
func (g *region) count(way func(*counts) *int64, take func()) {
	g.take.Lock()
	defer g.take.Unlock()
	before := g.replica.Status().Applied
	take()
	after := g.replica.Status().Applied
	g.mu.Lock()
	defer g.mu.Unlock()
	*way(&g.counts) += after - before
}

func (g *region) observe(e replica.Event) {
	f := fate{Key: e.Detail, Kind: e.Kind.String()}
	switch e.Kind {
	case replica.Held:
		return // a pull overtook the stream, or the other way round
	case replica.Lost:
		f.Key, f.Write, f.Against, f.By = e.Op.Key, e.Loser.Dot, e.Winner.Dot, e.Verdict.By.String()
	case replica.Conflict:
		f.Key, f.Write, f.Against, f.Kind = e.Op.Key, e.Op.Dot, e.Verdict.Against.Dot, e.Verdict.Outcome.String()
	}
	if e.Verdict.Rule != nil {
		f.Rule = e.Verdict.Rule.String()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fates = append(g.fates, f)
}

func (g *region) obey(c command) (answer reply) {
	fail := func(err error) reply { return reply{Error: err.Error()} }
	switch c.Do {
	case "set", "add", "insert", "remove":
		kind, _ := merge.ParseKind(c.Do)
		v := value.Text(c.Value)
		if kind == merge.Add {
			v = value.Value(c.Value) // a number is its own text
		}
		receipt, err := g.replica.Write(replica.Write{
			Key: c.Key, Kind: kind, Fields: []merge.Field{{Name: c.Field, Value: v}}, Request: c.Request,
		})
		if err != nil {
			return fail(err)
		}
		select {
		case g.wrote <- struct{}{}:
		default: // it is known that there is something
		}
		return reply{Dot: receipt.Dot, Repeated: receipt.Repeated}
	case "get":
		return reply{Text: string(g.replica.Get(c.Key, c.Field))}
	case "missing":
		seen := g.replica.Seen()
		return reply{Missing: slices.DeleteFunc(c.Dots, seen.Has)}
	case "status":
		answer.Seen = g.replica.Seen().String()
		again := g.replica.Status().Duplicates
		g.mu.Lock()
		defer g.mu.Unlock()
		answer.Fates, answer.Counts = slices.Clone(g.fates), g.counts
		answer.Counts.Again, answer.Counts.Links = again, g.server.NumLeafNodes()
		return answer
	case "state":
		var state strings.Builder
		g.replica.Cells(func(key string, cell merge.NamedCell) bool {
			write, _ := cell.Write()
			fmt.Fprintf(&state, "%q %q %s %s %t\n", key, cell.Name, cell.Value(), write.Dot, cell.Conflicted())
			return true
		})
		return reply{Text: state.String(), Seen: g.replica.Seen().String()}
	case "audit": // compares digests of everything that the states hold, shown or not
		for _, peer := range g.peers() {
			equal, err := g.replica.Audit(peer, g.ask(peer))
			if err == nil && !equal {
				err = fmt.Errorf("differs from %s", peer)
			}
			if err != nil {
				return fail(err)
			}
		}
		return reply{Text: "equal"}
	}
	return fail(fmt.Errorf("there is no command %q", c.Do))
}

// child runs the region that the environment names, if it names one.
func child() (status int, is bool) {
	node, is := os.LookupEnv("REGION")
	if !is {
		return 0, false
	}
	if err := serve(clock.Node(node), os.Getenv("REGION_DIR"), os.Getenv("REGION_HUB"), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "regions: %s: %v\n", node, err)
		return 1, true
	}
	return 0, true
}
