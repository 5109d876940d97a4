package crdt

import (
	"math"
	"math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// holes returns a vector of single dots.
func holes(dots ...string) (v clock.Vector) {
	for _, d := range dots {
		v.Add(must(clock.ParseDot(d)))
	}
	return v
}

func TestAnEpochThatContradictsItselfOrAnEarlierOneIsRefused(t *testing.T) {
	of := func(number uint64, lost clock.Vector, members ...clock.Node) Epoch {
		return Epoch{Number: number, Members: members, Lost: lost}
	}
	up := clock.Up
	for _, c := range []struct {
		name    string
		epoch   Epoch
		because string
	}{
		{"number 0", of(0, clock.Vector{}, "us"), "counted from 1"},
		{"nobody", of(3, clock.Vector{}), "has no members"},
		{"a member without a name", of(3, clock.Vector{}, ""), "name"},
		{"a member of no good name", of(3, clock.Vector{}, "us", "a b"), "node"},
		{"a member twice", of(3, clock.Vector{}, "us", "eu", "us"), `member "us" stands twice`},
		{"a member twice, and no other", of(3, clock.Vector{}, "us", "us"), `member "us" stands twice`},
		{"a member as two incarnations", of(3, clock.Vector{}, "us", "eu", "us~2"), `member "us" stands twice`},
		{"a member that is closed", of(3, up("us", 7), "us", "eu"), `"us" is a member, and closed`},
		{"a member that is closed after one", of(3, up("us", 1), "us", "eu"), `"us" is a member, and closed`},
		{"what is lost has a gap", of(3, holes("ap:1", "ap:3"), "us"), "what is lost"},
		{"what is lost does not begin", of(3, holes("ap:3"), "us"), "what is lost"},
		{"what is lost is of no good name", of(3, up("a b", 3), "us"), "what is lost"},
		{"an earlier number", of(1, up("ap", 3), "us", "eu"), "epoch 1 is over"},
		{"the same number, other members", of(2, up("ap", 3), "us", "sa"), "known with other members"},
		{"the same number, more lost", of(2, up("ap", 4), "us", "eu"), "known with other members"},
		{"a closed node is a member again", of(3, clock.Vector{}, "us", "eu", "ap"), `"ap" was closed for ever after 3`},
		{"a closed node wrote more", of(3, up("ap", 4), "us", "eu"), `"ap" was closed for ever after 3`},
		{"more was delivered than is to have been", of(3, up("ap", 2), "us", "eu"), `"ap" is to end at 2`},
		{"a member leaves and takes with it what was delivered", of(3, up("ap", 3), "eu"), `"us" is to end at 0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l Log[string]
			require.NoError(t, l.Enter(of(2, up("ap", 3), "us", "eu")))
			for _, op := range []Operation[string]{said("us:1", "a"), said("ap:1", "b"), said("ap:2", "c"), said("ap:3", "d")} {
				arrival, _ := l.Apply("us", op)
				require.Equal(t, Delivered, arrival)
			}
			require.NoError(t, l.Acknowledge("us", l.Seen().Clone()))
			before := must(l.Encode(nil))
			err := l.Enter(c.epoch)
			require.ErrorIs(t, err, ErrEpoch)
			assert.ErrorContains(t, err, c.because)
			assert.Equal(t, before, must(l.Encode(nil)), "the log has not changed")
		})
	}
	var l Log[string]
	require.NoError(t, l.Enter(of(2, up("ap", 3), "us", "eu")))
	require.NoError(t, l.Acknowledge("us", up("us", 1)))
	before := must(l.Encode(nil))
	members := []clock.Node{"us", "eu"}
	require.NoError(t, l.Enter(of(2, up("ap", 3), members...)), "the same epoch, its members in another order")
	assert.Equal(t, before, must(l.Encode(nil)), "what was acknowledged stays")
	assert.Equal(t, []clock.Node{"us", "eu"}, members, "what the caller has is the caller's")
	require.NoError(t, l.Enter(of(7, up("ap", 3), "us~2", "eu", "sa")), "numbers may be left out")
	assert.Equal(t, uint64(7), l.Epoch().Number)
	assert.ErrorIs(t, l.Acknowledge("ap", clock.Vector{}), ErrEpoch, "it is no member")
	assert.NoError(t, l.Acknowledge("us", clock.Vector{}), "it is one, by whichever incarnation")
}

func TestAnIncarnationHasANumber(t *testing.T) {
	for node, want := range map[clock.Node]int{"us": 0, "us~2": 2, "us~17": 17, "u~3": 3, "us~x": 0, "us~3x": 0, "~3": 0, "us~": 0, "us~0": 0, "us~03": 0, "us~9999": 9999, "us~10000": 0} {
		_, n := node.Incarnation()
		assert.Equal(t, want, n, node)
	}
}

// An earlier incarnation of a member writes no more, and a later one does.
func TestAMemberWritesAsItsIncarnationAndLaterOnes(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"eu", "us~3"}}))
	for dot, want := range map[string]Arrival{"us~2:1": Stranger, "us:1": Stranger, "us~3:1": Delivered, "us~4:1": Delivered, "eu:1": Delivered, "eu~1:1": Delivered, "sa:1": Stranger} {
		arrival, _ := l.Apply("eu", said(dot, "x"))
		assert.Equal(t, want, arrival, dot)
	}
}

func TestAStateThatIsNotOfTheEpochIsNotAdopted(t *testing.T) {
	for because, seen := range map[string]clock.Vector{
		"gaps":           holes("us:1", "us:3"),
		`"sa" ends at 0`: clock.Up("sa", 1),
		`"ap" ends at 3`: clock.Up("ap", 4),
		"beyond":         clock.Up("us", MaxSeq+1),
	} {
		var l Log[string]
		require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"us", "eu"}, Lost: clock.Up("ap", 3)}))
		l.Apply("us", said("us:1", "a"))
		l.Apply("us", said("us:3", "c"))
		ready, err := l.Adopt(seen)
		assert.ErrorIs(t, err, ErrEpoch)
		assert.ErrorContains(t, err, because)
		assert.Empty(t, ready)
		assert.Equal(t, "{us:1-1}", l.Seen().String(), "the log has not changed")
		assert.Equal(t, []Backlog{{"us", 1, 1}}, l.Waiting().Sources)
	}
}

// What a state that was taken over holds is never delivered, what waited for it is, and what is less than the log has changes
// nothing.
func TestAnAdoptedStateDeliversWhatWaitedForIt(t *testing.T) {
	var l Log[string]
	for _, op := range []Operation[string]{said("us:1", "a"), said("us:2", "b"), said("us:4", "d"), said("us:6", "f"), said("us:7", "g"), said("eu:1", "x", "us:5"), said("eu:2", "y", "sa:1")} {
		l.Apply(op.Dot.Node, op)
	}
	ready, err := l.Adopt(clock.Up("us", 1))
	require.NoError(t, err)
	assert.Empty(t, ready)
	ready, err = l.Adopt(clock.Up("us", 5))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"us:6", "us:7", "eu:1"}, dots(ready))
	assert.Equal(t, "{eu:1-1 us:1-7}", l.Seen().String())
	assert.Equal(t, []Backlog{{"eu", 1, 1}}, l.Waiting().Sources, "eu:2 waits for what has not come")
	arrival, _ := l.Apply("us", said("us:4", "d"))
	assert.Equal(t, BelowHorizon, arrival, "it is counted as delivered, and not kept")
	assert.False(t, l.Reaches(clock.Up("us", 2)), "what was adopted is not here to be sent")
	assert.False(t, l.Reaches(holes("us:3", "us:4")), "us:5 is not here either")
	assert.True(t, l.Reaches(clock.Up("us", 5)))
	assert.True(t, l.Reaches(holes("us:3", "us:4", "us:5")), "all else is")
}

// After a snapshot, operations that could not be put back have to be had from a copy of the state, all others are here.
func TestALogReachesAsFarBackAsItKeepsOperations(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"us"}}))
	assert.True(t, l.Reaches(clock.Vector{}), "nothing was delivered yet")
	var ops []Operation[string]
	for _, dot := range []string{"us:1", "us:2", "us:3", "us:4", "us:5"} {
		ops = append(ops, said(dot, dot))
		l.Apply("us", ops[len(ops)-1])
	}
	assert.True(t, l.Reaches(clock.Vector{}))
	require.NoError(t, l.Acknowledge("us", clock.Up("us", 2)))
	assert.Equal(t, 2, l.Compact())
	assert.False(t, l.Reaches(clock.Vector{}))
	assert.False(t, l.Reaches(holes("us:1")))
	assert.True(t, l.Reaches(clock.Up("us", 2)))

	var restored Log[string]
	require.NoError(t, restored.Decode(must(l.Encode(nil)), Limits{}))
	assert.False(t, restored.Reaches(clock.Up("us", 4)), "nothing is put back yet")
	assert.True(t, restored.Reaches(clock.Up("us", 5)))
	rest, err := restored.Retain([]Operation[string]{ops[4], ops[2], ops[0]})
	require.NoError(t, err)
	assert.Empty(t, rest, "us:1 is forgotten")
	count, bytes := restored.Retained()
	assert.Equal(t, []int{2, 8}, []int{count, bytes})
	assert.False(t, restored.Reaches(clock.Up("us", 3)), "us:4 was not put back")
	assert.True(t, restored.Reaches(holes("us:1", "us:2", "us:4")))
	assert.False(t, restored.Reaches(holes("us:1", "us:4")))
	var sent []string
	for op := range restored.Since(holes("us:5")) {
		sent = append(sent, op.Dot.String())
	}
	assert.Equal(t, []string{"us:3"}, sent)
	_, found := restored.Find(clock.Dot{Node: "us", Seq: 4})
	assert.False(t, found)
	op, found := restored.Find(clock.Dot{Node: "us", Seq: 5})
	assert.True(t, found)
	assert.Equal(t, "us:5", op.Payload)
	_, err = restored.Retain(nil)
	assert.ErrorIs(t, err, ErrOperation, "it keeps some already")
}

// Of all nodes together, in the order in which this replica delivered them, whatever a peer lacks of each.
func TestSinceIsInTheOrderOfDelivery(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 50 {
		var l Log[string]
		var delivered []clock.Dot
		var last [20]uint64
		for range 300 {
			i := r.Intn(len(last))
			last[i]++
			d := clock.Dot{Node: clock.Node(rune('a' + i)), Seq: last[i]}
			arrival, _ := l.Apply(d.Node, Operation[string]{Dot: d})
			require.Equal(t, Delivered, arrival)
			delivered = append(delivered, d)
		}
		var seen clock.Vector
		for _, d := range delivered {
			if r.Intn(3) == 0 {
				seen.Add(d)
			}
		}
		var want, got []clock.Dot
		for _, d := range delivered {
			if !seen.Has(d) {
				want = append(want, d)
			}
		}
		for op := range l.Since(seen) {
			got = append(got, op.Dot)
		}
		require.Equal(t, want, got)
		n := 0
		for range l.Since(seen) {
			if n++; n == 7 {
				break
			}
		}
		require.Equal(t, 7, n, "whoever has enough may stop")
	}
}

func TestWhatIsLargerThanAllRoomIsRefused(t *testing.T) {
	l := Log[string]{Limits: LogLimits{Held: 4, HeldBytes: 100}}
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"eu", "us"}}))
	of := func(seq uint64, size int) Operation[string] {
		return Operation[string]{Dot: clock.Dot{Node: "us", Seq: seq}, Size: size}
	}
	for _, size := range []int{101, math.MaxInt} {
		arrival, _ := l.Apply("us", of(2, size))
		assert.Equal(t, Busy, arrival, size)
	}
	arrival, _ := l.Apply("us", of(2, 75)) // a share of 25, and all that is common
	assert.Equal(t, Held, arrival)
	arrival, _ = l.Apply("us", of(3, 1))
	assert.Equal(t, Busy, arrival)
	arrival, _ = l.Apply("eu", of(3, 25))
	assert.Equal(t, Held, arrival, "eu has its share, whatever us has taken")
	arrival, _ = l.Apply("eu", of(4, 1))
	assert.Equal(t, Busy, arrival)
	arrival, _ = l.Apply("us", of(5, math.MaxInt))
	assert.Equal(t, Busy, arrival, "beyond arithmetic, with what us has already")
	arrival, ready := l.Apply("us", of(1, math.MaxInt))
	assert.Equal(t, Delivered, arrival, "what need not wait takes no room")
	assert.Len(t, ready, 3)
	arrival, _ = l.Apply("us", of(5, 75))
	assert.Equal(t, Held, arrival, "the room is free again")
}

func TestASnapshotThatContradictsItselfIsRefused(t *testing.T) {
	whole := func() Log[string] {
		return Log[string]{
			epoch:   Epoch{Number: 3, Members: []clock.Node{"eu", "us~2"}, Lost: clock.Up("ap", 3)},
			seen:    clock.Up("eu", 9),
			horizon: clock.Up("eu", 5),
			acks:    []acknowledged{{counted: clock.Up("eu", 5), next: clock.Up("eu", 8), later: clock.Up("eu", 9)}, {counted: clock.Up("ap", 3)}},
		}
	}
	good := whole()
	var read Log[string]
	require.NoError(t, read.Decode(must(good.Encode(nil)), Limits{}))
	assert.Equal(t, must(good.Encode(nil)), must(read.Encode(nil)))
	for name, forge := range map[string]func(l *Log[string]){
		"members out of order":                 func(l *Log[string]) { l.epoch.Members = []clock.Node{"us~2", "eu"} },
		"a member twice":                       func(l *Log[string]) { l.epoch.Members = []clock.Node{"eu", "eu~2"} },
		"a member that is closed":              func(l *Log[string]) { l.epoch.Lost.AddUp("eu", 1) },
		"no epoch, and members":                func(l *Log[string]) { l.epoch.Number, l.epoch.Lost = 0, clock.Vector{} },
		"no epoch, and something lost":         func(l *Log[string]) { l.epoch.Number, l.epoch.Members, l.acks = 0, nil, nil },
		"an epoch without members":             func(l *Log[string]) { l.epoch.Members, l.acks = nil, nil },
		"gaps in what is lost":                 func(l *Log[string]) { l.epoch.Lost.Add(clock.Dot{Node: "ap", Seq: 5}) },
		"gaps in what was delivered":           func(l *Log[string]) { l.seen.Add(clock.Dot{Node: "eu", Seq: 11}) },
		"more delivered than a lost node had":  func(l *Log[string]) { l.seen.AddUp("ap", 4) },
		"delivered of a stranger":              func(l *Log[string]) { l.seen.AddUp("sa", 1) },
		"delivered of an earlier incarnation":  func(l *Log[string]) { l.seen.AddUp("us", 1) },
		"a horizon beyond what was delivered":  func(l *Log[string]) { l.horizon.AddUp("eu", 10) },
		"gaps below the horizon":               func(l *Log[string]) { l.horizon = holes("eu:1", "eu:3") },
		"acknowledgements of fewer":            func(l *Log[string]) { l.acks = l.acks[:1] },
		"acknowledgements of more":             func(l *Log[string]) { l.acks = append(l.acks, acknowledged{}) },
		"a later acknowledgement without next": func(l *Log[string]) { l.acks[0].next = clock.Vector{} },
		"counted of a stranger":                func(l *Log[string]) { l.acks[1].counted.AddUp("sa", 1) },
		"next with gaps":                       func(l *Log[string]) { l.acks[0].next = holes("eu:2") },
		"later beyond a lost node":             func(l *Log[string]) { l.acks[0].later.AddUp("ap", 4) },
	} {
		l := whole()
		forge(&l)
		read := whole()
		err := read.Decode(must(l.Encode(nil)), Limits{})
		assert.ErrorIs(t, err, ErrFrame, name)
		if strings.HasPrefix(name, "acknowledgements of") {
			assert.ErrorContains(t, err, "2 members, and acknowledgements of", name)
		}
		assert.Equal(t, must(good.Encode(nil)), must(read.Encode(nil)), name)
	}
}

func TestTwoOperationsOfOneDotAreNotPutBack(t *testing.T) {
	var l Log[string]
	for _, dot := range []string{"us:1", "us:2"} {
		l.Apply("us", said(dot, dot))
	}
	var restored Log[string]
	require.NoError(t, restored.Decode(must(l.Encode(nil)), Limits{}))
	_, err := restored.Retain([]Operation[string]{said("us:1", "us:1"), said("us:1", "another")})
	assert.ErrorIs(t, err, ErrOperation)
	assert.ErrorContains(t, err, "two operations are called us:1")
	count, _ := restored.Retained()
	assert.Zero(t, count)
	rest, err := restored.Retain([]Operation[string]{said("us:1", "us:1"), said("us:3", "c"), said("us:1", "us:1"), said("sa:1", "d")})
	require.NoError(t, err)
	assert.Equal(t, []string{"us:3", "sa:1"}, dots(rest))
	count, _ = restored.Retained()
	assert.Equal(t, 1, count, "what comes twice is put back once")
	_, err = restored.Retain([]Operation[string]{said("us:2", "us:2")})
	assert.ErrorContains(t, err, "keeps operations already")
}

func TestAnAcknowledgementOfWhatHasNoPlaceTakesNoRoom(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"eu", "us"}, Lost: clock.Up("ap", 2)}))
	seen := clock.Up("us", 1)
	seen.AddUp("stranger", 5)
	seen.AddUp("ap", 9)
	seen.Add(clock.Dot{Node: "us", Seq: 7}) // behind a gap
	require.NoError(t, l.Acknowledge("us", seen))
	assert.Equal(t, "{ap:1-2 us:1-1}", l.acks[1].next.String(), "and waits for us:1")
	require.NoError(t, l.Acknowledge("us", clock.Up("us", 1)))
	assert.True(t, l.acks[1].later.IsEmpty(), "nothing new is not kept for later")
	l.Apply("us", said("us:1", "a"))
	require.NoError(t, l.Acknowledge("us", clock.Vector{}))
	assert.Equal(t, "{ap:1-2 us:1-1}", l.acks[1].counted.String())
	assert.True(t, l.acks[1].next.IsEmpty())
}

// What is kept of one node fills blocks, and gives them back from the front.
func TestManyOperationsOfOneNodeAreKeptAndForgottenInOrder(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"us"}}))
	const n = 300
	dot := func(seq uint64) clock.Dot { return clock.Dot{Node: "us", Seq: seq} }
	for seq := uint64(1); seq <= n; seq++ {
		arrival, _ := l.Apply("us", Operation[string]{Dot: dot(seq), Size: 1, Sum: number(dot(seq))})
		require.Equal(t, Delivered, arrival)
	}
	for _, upTo := range []uint64{0, 1, 63, 64, 65, 128, 200, 299, 300} {
		require.NoError(t, l.Acknowledge("us", clock.Up("us", upTo)))
		l.Compact()
		count, bytes := l.Retained()
		require.Equal(t, []int{n - int(upTo), n - int(upTo)}, []int{count, bytes})
		for seq := uint64(1); seq <= n+1; seq++ {
			op, found := l.Find(dot(seq))
			require.Equal(t, seq > upTo && seq <= n, found, "%d of those above %d", seq, upTo)
			sum, known := l.Sum(dot(seq))
			require.Equal(t, found, known)
			if found {
				require.Equal(t, dot(seq), op.Dot)
				require.Equal(t, number(dot(seq)), sum)
			}
		}
		next := upTo
		for op := range l.Since(clock.Vector{}) {
			next++
			require.Equal(t, next, op.Dot.Seq)
		}
		require.Equal(t, uint64(n), next)
		require.Equal(t, upTo == 0, l.Reaches(clock.Vector{}))
		require.True(t, l.Reaches(clock.Up("us", upTo)))
	}
	_, known := l.Sum(clock.Dot{Node: "nobody", Seq: 1})
	assert.False(t, known)
	_, found := l.Find(clock.Dot{Node: "nobody", Seq: 1})
	assert.False(t, found)
	arrival, _ := l.Apply("us", Operation[string]{Dot: dot(n + 1)})
	assert.Equal(t, Delivered, arrival, "it goes on after all was forgotten")
}

// The operations of a restored log have numbers missing among them, at whatever place of a block.
func TestOperationsAreFoundWhereNumbersAreMissing(t *testing.T) {
	for _, missing := range []uint64{1, 2, 64, 65, 130} {
		var l, restored Log[string]
		var ops []Operation[string]
		for seq := uint64(1); seq <= 129; seq++ {
			op := Operation[string]{Dot: clock.Dot{Node: "us", Seq: seq}, Sum: number(clock.Dot{Seq: seq})}
			l.Apply("us", op)
			if seq != missing {
				ops = append(ops, op)
			}
		}
		require.NoError(t, restored.Decode(must(l.Encode(nil)), Limits{}))
		rest, err := restored.Retain(ops)
		require.NoError(t, err)
		require.Empty(t, rest)
		for seq := uint64(1); seq <= 131; seq++ {
			op, found := restored.Find(clock.Dot{Node: "us", Seq: seq})
			require.Equal(t, seq <= 129 && seq != missing, found, "%d without %d", seq, missing)
			require.True(t, !found || op.Dot.Seq == seq)
		}
		require.Equal(t, missing > 129, restored.Reaches(clock.Vector{}))
		if missing <= 129 {
			only := clock.Vector{}
			only.Add(clock.Dot{Node: "us", Seq: missing})
			require.True(t, restored.Reaches(only))
		}
	}
}

// Nothing more is taken of a stopped member, and what it wrote before is adopted and acknowledged as ever.
func TestWhatAStoppedMemberWroteStillCounts(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"a", "b"}}))
	l.Apply("b", said("b:1", "x"))
	l.Stop("b")
	_, err := l.Adopt(clock.Up("b", 1))
	assert.NoError(t, err)
	_, err = l.Adopt(clock.Up("b", 2))
	assert.ErrorIs(t, err, ErrEpoch)
	require.NoError(t, l.Acknowledge("a", clock.Up("b", 1)))
	require.NoError(t, l.Acknowledge("b", clock.Up("b", 1)))
	assert.Equal(t, "{b:1-1}", l.Horizon().String())
}

// What is put back is handed out each after what it depends on, though a log was never told in which order it came.
func TestWhatIsPutBackIsInAnOrderInWhichItCanBeApplied(t *testing.T) {
	restored := func(ops ...Operation[string]) (order map[string]int) {
		var l, again Log[string]
		for _, op := range ops {
			op.After = clock.Vector{}
			arrival, _ := l.Apply("us", op)
			require.Equal(t, Delivered, arrival)
		}
		require.NoError(t, again.Decode(must(l.Encode(nil)), Limits{}))
		rest, err := again.Retain(ops)
		require.NoError(t, err)
		require.Empty(t, rest)
		order = map[string]int{}
		for op := range again.Since(clock.Vector{}) {
			order[op.Dot.String()] = len(order)
		}
		require.Len(t, order, len(ops))
		return order
	}
	inOrder := func(order map[string]int, dots ...string) {
		for i := range dots[1:] {
			assert.Less(t, order[dots[i]], order[dots[i+1]], "%s before %s in %v", dots[i], dots[i+1], order)
		}
	}
	inOrder(restored(said("us:1", "x"), said("ap:1", "x", "us:1"), said("us:2", "x", "ap:1"), said("eu:1", "x", "us:2"), said("ap:2", "x", "eu:1")),
		"us:1", "ap:1", "us:2", "eu:1", "ap:2")
	// Of what contradicts itself any order will do; all else is in order.
	order := restored(said("ap:1", "x", "eu:1"), said("ap:2", "x", "us:2"), said("eu:1", "x", "ap:1"), said("us:1", "x"), said("us:2", "x", "eu:1"))
	inOrder(order, "us:1", "us:2", "ap:2")
	inOrder(order, "eu:1", "us:2")
}

// A member that lost its disk acknowledges less than it did. That counts at once, unless others may give it back what it lost.
func TestAMemberThatLostItsDiskIsNotWaitedForUnlessOthersHaveWhatItWrote(t *testing.T) {
	of := func(us, eu uint64) clock.Vector {
		v := clock.Up("us", us)
		v.AddUp("eu", eu)
		return v
	}
	for name, c := range map[string]struct {
		eu      []clock.Vector // what eu acknowledges before
		horizon string
	}{
		"nobody has more":                       {[]clock.Vector{of(2, 1)}, "{eu:1-1 us:1-2}"},
		"eu has more, counted":                  {[]clock.Vector{of(4, 1)}, "{}"},
		"eu has more, to be counted next":       {[]clock.Vector{of(4, 5)}, "{}"},
		"eu has more, to be counted after that": {[]clock.Vector{of(1, 5), of(4, 6)}, "{}"},
	} {
		var l Log[string]
		require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"eu", "us"}}))
		for _, dot := range []string{"us:1", "us:2", "eu:1"} {
			l.Apply("us", said(dot, "x"))
		}
		require.NoError(t, l.Acknowledge("us", clock.Up("us", 5)), "of which three are lost")
		for _, seen := range c.eu {
			require.NoError(t, l.Acknowledge("eu", seen))
		}
		assert.Equal(t, "{}", l.Horizon().String(), name)
		require.NoError(t, l.Acknowledge("us", of(2, 1)))
		assert.Equal(t, c.horizon, l.Horizon().String(), name)
	}
}

// What an acknowledgement waits for may come without another one.
func TestCompactCountsWhatWasWaitedFor(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"eu", "us"}}))
	l.Apply("us", said("eu:1", "x"))
	require.NoError(t, l.Acknowledge("us", clock.Up("eu", 1)))
	require.NoError(t, l.Acknowledge("eu", clock.Up("eu", 2)))
	assert.Zero(t, l.Compact(), "eu:2 was written before eu acknowledged eu:1")
	l.Apply("us", said("eu:2", "y"))
	assert.Equal(t, 1, l.Compact())
	arrival, _ := l.Apply("us", said("eu:1", "x"))
	assert.Equal(t, BelowHorizon, arrival)
	require.NoError(t, l.Acknowledge("us", clock.Up("eu", 2)))
	assert.Equal(t, 1, l.Compact())
	arrival, _ = l.Apply("us", said("eu:2", "y"))
	assert.Equal(t, BelowHorizon, arrival, "the last one of a node too")

	ahead := clock.Up("us", 9)
	ahead.AddUp("eu", 2)
	require.NoError(t, l.Acknowledge("us", ahead))
	assert.Equal(t, "{us:1-9}", l.acks[1].next.String(), "what counts already does not wait")
}

// What waits is the affair of members, not of their incarnations, and is dropped with those who leave.
func TestAnEpochKeepsWhatFitsAndNothingElse(t *testing.T) {
	l := Log[string]{Limits: LogLimits{Held: 10}}
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"a"}}))
	dot := func(node clock.Node, seq uint64) Operation[string] {
		return Operation[string]{Dot: clock.Dot{Node: node, Seq: seq}, Size: 1}
	}
	for seq := uint64(11); seq > 1; seq-- {
		require.Equal(t, Held, l.Check("a~2", dot("a", seq)))
		assert.Equal(t, seq == 11, len(l.backlog.accounts) == 0)
		arrival, _ := l.Apply("a~2", dot("a", seq))
		require.Equal(t, Held, arrival)
	}
	assert.Equal(t, []Backlog{{"a", 10, 10}}, l.Waiting().Sources)
	require.NoError(t, l.Enter(Epoch{Number: 2, Members: []clock.Node{"e", "d", "c", "b", "a"}}))
	assert.Equal(t, []Backlog{{"a", 6, 6}}, l.Waiting().Sources, "its share of one, and the common half")
	for seq := uint64(2); seq <= 11; seq++ {
		_, known := l.Sum(clock.Dot{Node: "a", Seq: seq})
		assert.Equal(t, seq <= 7, known, "the first are kept: a:%d", seq)
	}
	for _, node := range []clock.Node{"e", "b", "d", "c"} {
		arrival, _ := l.Apply(node+"~3", dot(node, 2))
		require.Equal(t, Held, arrival)
	}
	arrival, _ := l.Apply("b~4", dot("b", 3))
	assert.Equal(t, Busy, arrival, "it has its share, as another incarnation")
	assert.Equal(t, []Backlog{{"a", 6, 6}, {"b", 1, 1}, {"c", 1, 1}, {"d", 1, 1}, {"e", 1, 1}}, l.Waiting().Sources)

	waits := dot("e", 1)
	waits.After = clock.Up("d", 5)
	l.Limits.Held = 12
	require.NoError(t, l.Enter(Epoch{Number: 3, Members: []clock.Node{"a", "d", "e"}}))
	arrival, _ = l.Apply("e", waits)
	require.Equal(t, Held, arrival)
	assert.Len(t, l.waiting, 1)
	require.NoError(t, l.Enter(Epoch{Number: 4, Members: []clock.Node{"a", "e"}}))
	assert.Empty(t, l.waiting, "d, which it waited for, is no more")
	for _, s := range l.lanes {
		assert.Contains(t, []clock.Node{"a", "e"}, s.node, "nobody who has nothing here takes room")
	}
	l.Stop("f")
	require.NoError(t, l.Enter(Epoch{Number: 5, Members: []clock.Node{"a", "e", "f"}}))
	arrival, _ = l.Apply("f", dot("f", 1))
	assert.Equal(t, Delivered, arrival, "it was stopped for an epoch")
	l.Stop("f~3")
	arrival, _ = l.Apply("f", dot("f", 2))
	assert.Equal(t, Stranger, arrival, "whichever incarnation is named")
	var held uint64
	for _, s := range l.lanes {
		held += uint64(len(s.held))
	}
	sources := 0
	for _, own := range l.Waiting().Sources {
		sources += own.Count
	}
	assert.EqualValues(t, held, sources)
}

// A delivery, and a state that is taken over, end the wait for what they bring.
func TestNothingIsWaitedForThatHasCome(t *testing.T) {
	var l Log[string]
	l.Apply("us", said("us:1", "a", "eu:1"))
	l.Apply("us", said("us:2", "b", "eu:3"))
	require.Len(t, l.waiting, 1)
	l.Apply("eu", said("eu:1", "c"))
	assert.Len(t, l.waiting, 1, "eu:3 now")
	_, err := l.Adopt(clock.Up("eu", 3))
	require.NoError(t, err)
	assert.Empty(t, l.waiting)
	assert.Equal(t, "{eu:1-3 us:1-2}", l.Seen().String())
}

func TestTheSmallestLimitsAreLimits(t *testing.T) {
	for limits, second := range map[LogLimits]Arrival{{}: Held, {Held: 1}: Busy, {Held: 2}: Held, {HeldBytes: 1}: Busy, {HeldBytes: 2}: Held, {Held: -1, HeldBytes: -1}: Held} {
		l := Log[string]{Limits: limits}
		arrival, _ := l.Apply("us", said("us:2", "b"))
		assert.Equal(t, Held, arrival)
		arrival, _ = l.Apply("us", said("us:3", "c"))
		assert.Equal(t, second, arrival, "%+v", limits)
	}
}

func TestAnEpochHasItsMembersAsAnyIncarnation(t *testing.T) {
	e := Epoch{Number: 1, Members: []clock.Node{"us~2", "eu"}}
	for node, want := range map[clock.Node]bool{"us": true, "us~2": true, "us~7": true, "eu": true, "eu~1": true, "ap": false, "us~x": false, "": false} {
		assert.Equal(t, want, e.Has(node), "%q", node)
	}
	assert.False(t, Epoch{}.Has("us"))
}

// What may still come is waited for; what never will is not.
func TestAnOperationWhoseCauseCannotComeIsRefused(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"us", "eu"}, Lost: clock.Up("ap", 3)}))
	for cause, want := range map[string]Arrival{
		"ap:3": Held, "ap:4": Stranger, "sa:1": Stranger, "eu:1": Held, "eu~9:1": Held,
		"eu:9223372036854775807": Held, "us:1": Invalid, "us:2": Invalid,
	} {
		assert.Equal(t, want, l.Check("us", said("us:1", "x", cause)), cause)
	}
	l.Stop("eu")
	assert.Equal(t, Stranger, l.Check("us", said("us:1", "x", "eu:1")))
}

func TestAnArrivalSaysWhatBecomesOfTheOperation(t *testing.T) {
	for a, want := range map[Arrival]struct {
		text string
		err  error
	}{
		0:            {"arrival(0)", ErrOperation},
		Delivered:    {"delivered", nil},
		Duplicate:    {"duplicate", nil},
		Held:         {"held", nil},
		Reused:       {"reused", ErrOperation},
		BelowHorizon: {"below horizon", ErrOperation},
		Busy:         {"busy", ErrBusy},
		Stranger:     {"stranger", ErrOperation},
		Invalid:      {"invalid", ErrOperation},
		9:            {"arrival(9)", ErrOperation},
		255:          {"arrival(255)", ErrOperation},
	} {
		assert.Equal(t, want.text, a.String())
		if want.err == nil {
			assert.NoError(t, a.Err(), a.String())
			continue
		}
		assert.ErrorIs(t, a.Err(), want.err, a.String())
		if want.err == ErrOperation {
			assert.ErrorContains(t, a.Err(), want.text)
		}
	}
}
