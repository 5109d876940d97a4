package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// Disk is a simulated disk. The zero Disk is empty and never fails. Its methods may be called by any number of goroutines;
// its fields are set before.
type Disk struct {
	// Sector is how many bytes of a write reach the disk together, if they are not torn. Zero means 512. A small one makes
	// small writes come apart.
	Sector int

	// Fault says how an operation fails. Nil means that none does. It is called with the disk locked.
	Fault func(Op) Fault

	// ReadFault returns the error of reading a file at an offset. Nil means that there is none.
	ReadFault func(name string, offset int64) error

	// Forgets says that after a failed Sync the running system shows what is on the disk. False means that it goes on to
	// show what was written.
	Forgets bool

	mu      sync.Mutex
	base    state // what the disk began with
	live    state // what the running system shows
	journal []entry
	locks   map[string]*lock
	crashed bool
	epoch   int // counts restarts: files of an earlier one are dead
}

var _ segment.FS = (*Disk)(nil)

// ErrCrashed is what every operation returns after a [Crash], until [Disk.Restart].
var ErrCrashed = errors.New("the machine has crashed")

// Operations returns how many operations were done or failed until now: the number of the next one.
func (d *Disk) Operations() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.journal)
}

// Journal returns all operations until now.
func (d *Disk) Journal() []Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	ops := make([]Op, len(d.journal))
	for i, e := range d.journal {
		ops[i] = e.op
	}
	return ops
}

// Restart is as if the process had been killed and started again: locks and open files are gone, and everything written is
// still shown, synced or not. It also ends a [Crash].
func (d *Disk) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashed = false
	d.locks = nil
	d.epoch++
}

// Contents returns what the running system shows of every file.
func (d *Disk) Contents() map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make(map[string][]byte, len(d.live.names))
	for name, id := range d.live.names {
		all[name] = slices.Clone(d.live.nodes[id].data)
	}
	return all
}

// Put makes the running system and the disk hold a file, or takes it away if the data is nil: how a test damages what was
// synced. What the disk did before is forgotten.
func (d *Disk) Put(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live.init()
	if data == nil {
		delete(d.live.names, name)
	} else {
		d.live.names[name] = d.live.add(slices.Clone(data))
	}
	d.base, d.journal = d.live.clone(), nil
}

// MakeDir does nothing: a directory is there when a file is in it.
func (d *Disk) MakeDir(string) error { return nil }

// OpenFile opens a file, and makes it if the flag says so.
func (d *Disk) OpenFile(name string, flag int) (segment.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.crashed {
		return nil, ErrCrashed
	}
	d.live.init()
	id, ok := d.live.names[name]
	switch {
	case ok && flag&os.O_EXCL != 0:
		return nil, pathError("open", name, fs.ErrExist)
	case !ok && flag&os.O_CREATE == 0:
		return nil, pathError("open", name, fs.ErrNotExist)
	case !ok:
		id = d.live.nextID
		if _, err := d.do(entry{op: Op{Kind: Create, Name: name}, node: id}); err != nil {
			return nil, err
		}
	}
	return &file{disk: d, epoch: d.epoch, node: id, name: name, writable: flag&os.O_RDWR != 0}, nil
}

// ReadDir returns the names in a directory, sorted.
func (d *Disk) ReadDir(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.crashed {
		return nil, ErrCrashed
	}
	var names []string
	for name := range d.live.names {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Rename gives a file another name.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, ok := d.live.names[from]
	if !ok {
		return pathError("rename", from, fs.ErrNotExist)
	}
	_, err := d.do(entry{op: Op{Kind: Rename, Name: from, To: to}, node: id})
	return err
}

// Remove removes a file.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, ok := d.live.names[name]
	if !ok {
		return pathError("remove", name, fs.ErrNotExist)
	}
	_, err := d.do(entry{op: Op{Kind: Remove, Name: name}, node: id})
	return err
}

// SyncDir makes the names in a directory outlive a power cut.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.do(entry{op: Op{Kind: SyncDir, Name: filepath.Clean(dir)}})
	return err
}

// Lock holds a name until it is closed or the disk restarts. The file of a lock is no part of the disk.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.crashed {
		return nil, ErrCrashed
	}
	if d.locks[name] != nil {
		return nil, pathError("lock", name, segment.ErrLocked)
	}
	if d.locks == nil {
		d.locks = make(map[string]*lock)
	}
	l := &lock{d, name}
	d.locks[name] = l
	return l, nil
}

type lock struct {
	disk *Disk
	name string
}

func (l *lock) Close() error {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	if l.disk.locks[l.name] == l {
		delete(l.disk.locks, l.name)
	}
	return nil
}

// do does an operation, or fails it, and returns how many bytes of a write were written.
func (d *Disk) do(e entry) (int, error) {
	if d.crashed {
		return 0, ErrCrashed
	}
	e.op.N = len(d.journal)
	fault := None
	if d.Fault != nil {
		fault = d.Fault(e.op)
	}
	n, err := len(e.data), error(nil)
	switch fault {
	case Crash:
		d.crashed = true
		return 0, ErrCrashed
	case Lie:
		e.outcome = undone
	case EIO:
		n, err, e.outcome = 0, pathError(string(e.op.Kind), e.op.Name, syscall.EIO), undone
	case NoSpace:
		n, err, e.outcome = 0, pathError(string(e.op.Kind), e.op.Name, syscall.ENOSPC), undone
	case Short:
		n, err = len(e.data)/2, pathError(string(e.op.Kind), e.op.Name, syscall.ENOSPC)
		e.data = e.data[:n]
		if e.op.Kind != Write {
			e.outcome = undone
		}
	}
	if err != nil && e.op.Kind == Sync {
		e.outcome = failed
	}
	d.journal = append(d.journal, e)
	if err == nil || fault == Short && e.op.Kind == Write {
		d.live.apply(e, e.data)
	}
	if e.outcome == failed && d.Forgets {
		d.forget(e.node)
	}
	return n, err
}

// forget shows of a file what is on the disk.
func (d *Disk) forget(id int) {
	w := walk{state: d.base.clone()}
	for _, e := range d.journal {
		w.step(e)
	}
	for _, it := range w.items {
		if it.synced && it.entry.node == id { // behind what an earlier sync lost
			w.state.apply(it.entry, it.entry.data)
		}
	}
	onDisk := &node{}
	if n := w.state.nodes[id]; n != nil {
		onDisk = n
	}
	d.live.nodes[id] = &node{onDisk.data, true}
}

func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

type file struct {
	disk     *Disk
	epoch    int
	node     int
	name     string
	writable bool
	closed   bool
}

// begin locks the disk and returns the file's bytes, if the file can be used.
func (f *file) begin(op string) (*node, func(), error) {
	f.disk.mu.Lock()
	var err error
	switch {
	case f.disk.crashed || f.epoch != f.disk.epoch:
		err = ErrCrashed
	case f.closed:
		err = pathError(op, f.name, fs.ErrClosed)
	}
	return f.disk.live.nodes[f.node], f.disk.mu.Unlock, err
}

func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	n, end, err := f.begin("read")
	defer end()
	if err != nil {
		return 0, err
	}
	if f.disk.ReadFault != nil {
		if err := f.disk.ReadFault(f.name, offset); err != nil {
			return 0, pathError("read", f.name, err)
		}
	}
	if offset >= int64(len(n.data)) {
		return 0, io.EOF
	}
	got := copy(p, n.data[offset:])
	if got < len(p) {
		return got, io.EOF
	}
	return got, nil
}

func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	_, end, err := f.begin("write")
	defer end()
	if err == nil && !f.writable {
		err = pathError("write", f.name, fs.ErrPermission)
	}
	if err != nil {
		return 0, err
	}
	op := Op{Kind: Write, Name: f.name, Offset: offset, Size: int64(len(p))}
	return f.disk.do(entry{op: op, node: f.node, data: slices.Clone(p)})
}

func (f *file) Truncate(size int64) error {
	_, end, err := f.begin("truncate")
	defer end()
	if err == nil && !f.writable {
		err = pathError("truncate", f.name, fs.ErrPermission)
	}
	if err != nil {
		return err
	}
	_, err = f.disk.do(entry{op: Op{Kind: Truncate, Name: f.name, Size: size}, node: f.node})
	return err
}

func (f *file) Sync() error {
	_, end, err := f.begin("sync")
	defer end()
	if err != nil {
		return err
	}
	_, err = f.disk.do(entry{op: Op{Kind: Sync, Name: f.name}, node: f.node})
	return err
}

func (f *file) Size() (int64, error) {
	n, end, err := f.begin("stat")
	defer end()
	if err != nil {
		return 0, err
	}
	return int64(len(n.data)), nil
}

func (f *file) Close() error {
	_, end, err := f.begin("close")
	defer end()
	f.closed = true
	return err
}

// state is names and what is in files: on the disk, or as the running system shows it.
type state struct {
	names  map[string]int
	nodes  map[int]*node
	nextID int
}

// A node is what is in a file. What is shared is not to be changed.
type node struct {
	data   []byte
	shared bool
}

func (s *state) init() {
	if s.names == nil {
		s.names, s.nodes = make(map[string]int), make(map[int]*node)
	}
}

func (s *state) add(data []byte) int {
	s.init()
	id := s.nextID
	s.nextID++
	s.nodes[id] = &node{data: data}
	return id
}

// clone returns a copy, whose files share their bytes with s.
func (s *state) clone() state {
	c := state{maps.Clone(s.names), make(map[int]*node, len(s.nodes)), s.nextID}
	for id, n := range s.nodes {
		n.shared = true
		c.nodes[id] = &node{n.data, true}
	}
	c.init()
	return c
}

// apply makes the change of an operation, with the data that arrives of it.
func (s *state) apply(e entry, data []byte) {
	s.init()
	switch e.op.Kind {
	case Create:
		s.names[e.op.Name] = e.node
		s.at(e.node)
	case Rename:
		s.names[e.op.To] = e.node
		s.at(e.node)
		if s.names[e.op.Name] == e.node {
			delete(s.names, e.op.Name)
		}
	case Remove:
		if id, ok := s.names[e.op.Name]; ok && id == e.node {
			delete(s.names, e.op.Name)
		}
	case Write:
		s.at(e.node).write(data, e.op.Offset)
	case Truncate:
		s.at(e.node).truncate(e.op.Size)
	}
}

// at returns a file to be changed. A name can be on the disk before the file it is for.
func (s *state) at(id int) *node {
	n := s.nodes[id]
	if n == nil {
		n = &node{}
		s.nodes[id] = n
		s.nextID = max(s.nextID, id+1)
	}
	if n.shared {
		n.data, n.shared = slices.Clone(n.data), false
	}
	return n
}

func (n *node) write(data []byte, offset int64) {
	if end := int(offset) + len(data); end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	copy(n.data[offset:], data)
}

func (n *node) truncate(size int64) {
	if size > int64(len(n.data)) {
		n.write(nil, size)
		return
	}
	n.data = n.data[:size]
}
