package replica

import (
	"crypto/subtle"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Keys are spread by their hash over buckets, and buckets are the leaves of a tree in which every node has 16 children and the
// digest of a node stands for all keys below it. Two replicas find the keys in which they differ by comparing from the root
// down where digests are unequal, all of a level in one message, and ask for the records of many buckets at once: one key among a
// million takes seven messages, with the one that found that the log no longer reaches back and the one about the chains, and a
// thousand keys take ten.
const (
	treeDepth = 4
	fanout    = 16
	buckets   = 1 << (4 * treeDepth)
)

// digests is that tree. It is made when first asked for, and brought up to date when asked again: a bucket is summed anew when
// one of its keys has changed.
type digests struct {
	keys  [buckets][]string
	sums  [buckets][16]byte
	dirty [buckets]bool
	known int // keys of the state that are in a bucket
}

// bucketOf returns the bucket of a key: its FNV-1a, folded. All replicas must spread keys alike. It is asked with every
// operation, and nothing but an even spread hangs on it.
func bucketOf(key string) int {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return int((h ^ h>>16 ^ h>>32 ^ h>>48) % buckets)
}

func (d *digests) changed(key string) {
	if d != nil {
		d.dirty[bucketOf(key)] = true
	}
}

// all marks everything as changed.
func (d *digests) all() {
	if d != nil {
		for i := range d.dirty {
			d.dirty[i] = true
		}
	}
}

// tree returns the digests, up to date. The caller holds mu.
func (r *Replica) tree() (*digests, error) {
	if r.digests == nil {
		r.digests = &digests{}
		r.digests.all()
	}
	d := r.digests
	for d.known < r.state.Len() {
		for _, key := range r.state.Keys(d.known, snapshotKeys) {
			b := bucketOf(key)
			d.keys[b] = append(d.keys[b], key)
			d.dirty[b] = true
			d.known++
		}
	}
	for b := range d.dirty {
		if !d.dirty[b] {
			continue
		}
		var sum [16]byte
		for _, key := range d.keys[b] {
			of, err := r.state.Sum(key)
			if err != nil {
				return nil, err
			}
			subtle.XORBytes(sum[:], sum[:], of[:])
		}
		d.sums[b], d.dirty[b] = sum, false
	}
	return d, nil
}

// digest returns the digest of a node of the tree: of the buckets whose number begins with prefix, which has level digits of
// four bits.
func (d *digests) digest(level, prefix int) [16]byte {
	width := buckets >> (4 * level)
	var all [16]byte
	h := make([]byte, 0, 16*min(width, 1024))
	for b := prefix * width; b < (prefix+1)*width; b++ {
		if len(d.keys[b]) == 0 {
			continue
		}
		h = append(h, byte(b>>8), byte(b))
		h = append(h, d.sums[b][:]...)
	}
	if len(h) > 0 {
		all = merge.Sum(h)
	}
	return all
}

// children returns the digests of the 16 children of a node.
func (d *digests) children(level, prefix int) (sums [fanout][16]byte) {
	for i := range sums {
		sums[i] = d.digest(level+1, prefix*fanout+i)
	}
	return sums
}

// digestFor puts the digest of the state into a batch, if that is due. The caller holds mu.
func (r *Replica) digestFor(peer clock.Node, b *Batch) {
	now := r.physical()
	if r.opt.AuditEvery < 0 || now < r.digested[peer]+int64(r.opt.AuditEvery) {
		return
	}
	if !r.quiet.seen.Equal(r.seen) || now < r.quiet.since { // or physical time went back
		r.quiet.seen, r.quiet.since = r.seen.Clone(), now
	}
	// All have folded the same once they have folded all that there is: whoever called Maintain, and when.
	if now >= r.quiet.since+int64(r.opt.AuditEvery) && r.log.Horizon().Covers(r.seen) {
		r.foldUp()
	}
	if !r.isEven() {
		return
	}
	tree, err := r.tree()
	if err != nil { // what is in the state can be written
		return
	}
	sum := tree.digest(0, 0)
	b.Settled, b.Digest = r.settled.Clone(), sum[:]
	r.digested[peer] = now
}

// audit compares the state with that of a peer, if a batch brings its digest and both have the same operations. The caller
// holds mu.
func (r *Replica) audit(source clock.Node, p *peer, b *Batch) {
	now := r.physical()
	if r.opt.AuditEvery < 0 || len(b.Digest) != 16 || now < p.audited.Wall+int64(r.opt.AuditEvery)/2 || !r.seen.Equal(b.Seen) {
		return
	}
	if b.Settled.Equal(r.log.Horizon()) {
		r.foldUp()
	}
	if !r.isEven() || !r.settled.Equal(b.Settled) {
		return
	}
	tree, err := r.tree()
	if err != nil {
		return
	}
	p.audited = clock.Timestamp{Wall: now}
	if tree.digest(0, 0) != [16]byte(b.Digest) {
		r.diverged(source)
	}
}

// foldUp folds what every member has, unless that was done, or somebody is at it, or something is on its way to the disk. The
// caller holds mu.
func (r *Replica) foldUp() {
	if r.err != nil || len(r.queue) > 0 || r.settled.Equal(r.log.Horizon()) || !r.maintaining.TryLock() {
		return
	}
	r.settle()
	r.maintaining.Unlock()
}

// isEven reports whether the state holds what was seen, no more, and is folded up to the same place. After records came from a
// peer it is not, until this replica has got all that may be in one of them, and has folded as much; till then its bytes can't
// be compared. The caller holds mu.
func (r *Replica) isEven() bool { return r.seen.Covers(r.ahead) && r.settled.Covers(r.above) }

// folded returns up to where some record may be folded. The caller holds mu.
func (r *Replica) folded() clock.Vector {
	all := r.settled.Clone()
	all.Merge(r.above)
	return all
}

// diverged tells that the state of a peer is another one, of the same operations. The caller holds mu.
func (r *Replica) diverged(source clock.Node) {
	r.tell(Event{Kind: Diverged, Peer: source, Code: finding.SplitBrain, Detail: "both have seen the same operations, and their states differ"})
}

// defaultAuditEvery is [Options.AuditEvery] when that is zero.
const defaultAuditEvery = time.Minute
