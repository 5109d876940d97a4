// Package crdt lets nobody lose: replicas write without asking each other, and merge to one state that holds what every
// writer meant (conflict-free replicated data types).
//
// Any two states of a type have a merge, and the merge of package crdt keeps three laws:
//
//	merge(a, a)           = a                        a message may come twice
//	merge(a, b)           = merge(b, a)              in any order
//	merge(merge(a, b), c) = merge(a, merge(b, c))    by any route
//
// So replicas that have heard of the same writes are equal, whatever happened on the way. Nothing else is asked of the
// network; a message may even be lost, as long as a later one makes up for it.
//
//	var us, eu crdt.ORSet[string]         // zero values are ready
//	delta, _ := us.Add("us", "apple")     // every mutator returns what to tell the others
//	eu.Merge(delta)                       // a delta is merged like a state, and costs what it holds
//	eu.Remove("apple")                    // eu has seen the add
//	us.Add("us", "apple")                 // us adds again, eu has not seen that
//	us.Merge(eu)                          // the whole state: what was lost on the way is made up for
//	us.Elements()                         // [apple]: an add beats a remove that had not seen it
//
// # Which type
//
//	a total that only grows                [GCounter]
//	a total that goes up and down          [PNCounter]
//	stock that must not go below zero      [BoundedCounter]
//	a total with resets, or an op log      [ResetCounter]
//	the greatest, the least value          [MaxRegister], [MinRegister]
//	a status that only moves on            [LatticeRegister]
//	one value; show both if in doubt       [MVRegister]
//	a switch                               [EWFlag] if on wins, [DWFlag] if off wins
//	a set that only grows                  [GSet]
//	a set                                  [ORSet] if adds win, [RWSet] if removes win
//	a log                                  [AppendLog]
//	any of these under keys                [Map], of those that can take back what they hold
//	ids that never repeat                  [IDs]
//
// Where one write should win and the others lose, use package lww.
//
// # How it works
//
// Types that only grow are joined by taking the greater part of each: the greater total of a node, the greater value, all
// elements. All others name each write for ever by a dot ([clock.Dot]: the third write of us) and remember which dots they
// have seen ([clock.Vector]). Of two states, content lives on if both have it, or if one has it and the other has not
// seen its dot. If the other has seen the dot and not the content, it has seen it go. That is the whole secret of sets
// without tombstones: what was removed costs nothing, since all dots of a node up to the last are one number.
//
// Merge says whether anything was new. MergeFunc of sets and maps says what, and costs more only for who calls it.
//
// There are two ways to drive such a type. A replica that holds the state uses the mutators, which take the name of its
// node and return a delta. A log of operations uses the methods that end in At, which take the dot of each operation and
// what its writer had seen, in any order of delivery, even before what it had seen has arrived.
//
// # Deltas and gaps
//
// A delta names exactly the dots it is about, or whole totals. One that arrives before an earlier one is applied for what
// it is, and never taken for all that came before it. So what a lost delta took away is still there, beside what later ones
// brought, until that delta or the whole state comes: of a register written three times, the second time in vain, both the
// first and the third value; of an element added twice and removed, the second add in vain, the first.
//
// # Cost
//
// A delta costs what it holds, whatever the size of the state. Two things take a walk over the whole set or map: a merge with
// removes among many dots, and a delta that comes again after its element was removed or added anew, the first time that it
// does; a set that has been walked over eight times keeps a list of its dots, and looks there. Removed elements take nothing, but
// for those of RWSet and of Map.Delete; an element added ten thousand times by each of three nodes takes one dot of each.
//
// Figures for 100,000 elements of 13 bytes, in time computed, garbage collection included, on 2 shared vCPUs (AMD EPYC), by
// "go test -run '^$' -bench . ./crdt":
//
//	                                      a plain Go map    here
//	merge, all elements the same          7 ms              8 ms
//	merge, half of them the same          30 ms             21 ms
//	merge, none the same                  28-31 ms          80-92 ms
//	add all, one by one, with deltas      11 ms             119 ms
//	make the delta of one add             0.03 us           0.4 us, 3 allocations
//	merge the delta of one add                              0.4 us, 1 allocation
//	make the delta of one remove                            0.2 us, 2 allocations
//	merge the delta of one remove                           0.3 us, 1 allocation
//	make the delta of a write to a register
//	in a map                                                0.6 us, 4 allocations
//	merge it                                                0.6 us, 1 allocation
//	AddAt on a ResetCounter of two million
//	increments that nobody settles                          1.2-2.0 us, none but growth
//
// and of the wire form, for elements, keys and values of 49 bytes (values of a register: 20), added in no order:
//
//	                                      encode            decode
//	ORSet                                 670-860 MB/s      220-240 MB/s
//	RWSet                                 710-800 MB/s      200-220 MB/s
//	GSet, which has to sort               330-410 MB/s      340-390 MB/s
//	Map of MVRegister                     620-760 MB/s      180-200 MB/s
//	Map of ResetCounter                   300-330 MB/s      125-155 MB/s
//	AppendLog                             1500-1800 MB/s    230-500 MB/s
//	a plain Go map                                          170-220 MB/s, nothing checked
//
// with 4 to 11 allocations in all to encode. To decode one takes an allocation for twenty short strings, and one for each
// counter of a map. In memory an element takes, besides its own bytes:
//
//	                     a plain Go map   GSet   ORSet   RWSet   Map of MVRegister
//	in memory            35 bytes         48     79      110     133
//	encoded, besides                      1      7       9       12
//
// Nothing else was on the machine; two figures are the least and the greatest of several runs. When others keep both processors busy, all
// of them, the floors too, take up to twice as long.
//
// # Wire form
//
// Encode writes a state or a delta as one msgpack value: name of the type, version, body, CRC-32C. Equal states have equal
// bytes. Decode takes nothing else, checks every length against the bytes that are left, and leaves things as they were if
// there is an error. The layout is laid down to the byte at the head of wire.go, for readers in other languages; frames
// written by a release are kept in testdata/frozen and read the same for ever. To encoding/json and its like a state is empty.
//
// # What it assumes
//
// HAZARD: a node name is one writer. Two processes under one name, or one restored from an old copy that writes before it
// has merged with the others, give one dot to two writes. Replicas still converge. [MVRegister] and [AppendLog] keep both
// writes, [ResetCounter] and the other counters the greater amount; a set or a map may keep neither, and [ORSet.Reused] and
// its like on [RWSet] and [Map] tell of it before a merge. In a flag it can't be told: both writes look the same. An empty name
// panics; one that [clock.Node.Check] refuses is written under, and found only by Encode: check names where they come from.
//
// HAZARD: a replica that writes to another's account can't be told from it. What comes from outside passes through the gate
// of package merge first.
//
// HAZARD: a NaN is not equal to itself, and pointers are equal here alone. The first is an error wherever it would be kept.
// The second has no order that two replicas share, no more than values of several types in an interface, and listing such
// elements panics.
//
// States are for one goroutine to change, or for many to read; only [IDs] has a lock. Assignment copies share memory, as those
// of slices do; Clone does not.
//
// # What it does not do
//
// It has no network, no disk, no clock and no garbage collector of its own, no text editing and no trees that move.
//
// # Further reading
//
// Shapiro, Preguiça, Baquero, Zawirski, "Conflict-free Replicated Data Types" (2011), is where the name comes from;
// Almeida, Shoker, Baquero, "Delta State Replicated Data Types" (2018), is what this package follows.
package crdt
