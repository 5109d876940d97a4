package disk_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tiebreakhq/tiebreak/replay/disk"
)

// directFile returns a file that is read and written past the cache, and skips a test where the system, asked directly, has no
// such thing.
func directFile(t *testing.T) *os.File {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	flags, _ := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0)
	_, err = unix.FcntlInt(file.Fd(), unix.F_SETFL, flags|unix.O_DIRECT)
	if now, _ := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0); err != nil || now == flags {
		t.Skip("no O_DIRECT here: ", err)
	}
	_, err = unix.FcntlInt(file.Fd(), unix.F_SETFL, flags)
	require.NoError(t, err)
	require.NoError(t, disk.Direct(file))
	newQueue(t, 1)
	return file
}

// newQueue returns a queue, and skips a test where the system, asked directly, grants none.
func newQueue(t *testing.T, room int) *disk.Queue[int] {
	var context uintptr
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, uintptr(room), uintptr(unsafe.Pointer(&context)), 0); errno != 0 {
		t.Skip(errno)
	}
	_, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, context, 0, 0, 0, 0, 0)
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, context, 0, 0)
	if errno != 0 { // some sandboxes forbid one and not the other
		t.Skip(errno)
	}
	q, err := disk.NewQueue[int](room)
	require.NoError(t, err)
	t.Cleanup(q.Close)
	return q
}

// What is asked of a file is what the system says of it afterwards.
func TestFilesAreWhatWasAsked(t *testing.T) {
	file := directFile(t)
	flags := func() int {
		flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0)
		require.NoError(t, err)
		return flags
	}
	direct := flags()
	require.NotZero(t, direct&unix.O_DIRECT)
	require.NoError(t, disk.Cached(file))
	require.Equal(t, direct&^unix.O_DIRECT, flags())
	require.NoError(t, disk.Direct(file))
	require.Equal(t, direct, flags())

	const from, to = 5 * disk.Align, 12 * disk.Align
	require.NoError(t, disk.Reserve(file, from, to))
	info, err := file.Stat()
	require.NoError(t, err)
	require.EqualValues(t, to, info.Size())

	gone, err := os.Create(filepath.Join(t.TempDir(), "gone"))
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	require.ErrorIs(t, disk.Direct(gone), unix.EBADF)
	require.ErrorIs(t, disk.Cached(gone), unix.EBADF)
	require.ErrorIs(t, disk.Reserve(gone, 0, disk.Align), unix.EBADF)
}

func TestMemoryIsAligned(t *testing.T) {
	b := disk.Memory(10)
	require.Len(t, b, 10)
	require.True(t, disk.Aligned(b))
	require.False(t, disk.Aligned(b[1:]))
	require.Zero(t, uintptr(unsafe.Pointer(&b[0]))%disk.Align)
}

func TestTheMachineHasMemory(t *testing.T) {
	require.Greater(t, disk.MachineMemory(), int64(64<<20))
}

func TestAQueueThatIsNotGrantedIsAnError(t *testing.T) {
	newQueue(t, 1)
	_, err := disk.NewQueue[int](math.MaxInt32)
	require.Error(t, err)
}

func random(n int, seed uint64) []byte {
	b := disk.Memory(n)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// What is written at some places, many at once, is what is read there, in whatever order.
func TestQueue(t *testing.T) {
	const blocks, size = 50, 3 * disk.Align
	file, q := directFile(t), newQueue(t, 7)
	require.NoError(t, disk.Reserve(file, 0, blocks*size))
	r := rand.New(rand.NewPCG(1, 1))
	all := func(visit func(i int), landed func(r disk.Result[int])) {
		for _, i := range r.Perm(blocks) {
			for q.Room() == 0 {
				res, ok := q.Next(true)
				require.True(t, ok)
				landed(res)
			}
			visit(i)
			if r.IntN(3) == 0 {
				q.Begin()
			}
			if q.Room() == 0 {
				q.Begin()
			}
		}
		q.Begin()
		for q.Flying() > 0 {
			if res, ok := q.Next(r.IntN(2) == 0); ok {
				landed(res)
			}
		}
		_, ok := q.Next(true)
		require.False(t, ok)
	}
	written := 0
	all(func(i int) { q.Write(file, random(size, uint64(i)), int64(i)*size, i) }, func(res disk.Result[int]) {
		require.NoError(t, res.Err)
		require.Equal(t, size, res.Size)
		written++
	})
	require.Equal(t, blocks, written)
	read := make([]bool, blocks)
	all(func(i int) { q.Read(file, disk.Memory(size), int64(i)*size, i) }, func(res disk.Result[int]) {
		require.NoError(t, res.Err)
		require.Equal(t, random(size, uint64(res.Tag)), res.Data)
		require.False(t, read[res.Tag])
		read[res.Tag] = true
	})
	require.NotContains(t, read, false)
}

// What the system refuses is the end of that block alone.
func TestQueueTellsErrors(t *testing.T) {
	file, q := directFile(t), newQueue(t, 8)
	gone, err := os.Create(filepath.Join(t.TempDir(), "gone"))
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	reader, err := os.Open(file.Name())
	require.NoError(t, err)
	defer reader.Close()
	q.Write(gone, disk.Memory(disk.Align), 0, 1)
	q.Write(file, disk.Memory(disk.Align), 0, 2)
	q.Write(reader, disk.Memory(disk.Align), 0, 3)
	q.Write(file, disk.Memory(2*disk.Align), 4*disk.Align, 4)
	q.Begin()
	got := make(map[int]error)
	for range 4 {
		r, ok := q.Next(true)
		require.True(t, ok)
		got[r.Tag] = r.Err
	}
	require.Equal(t, map[int]error{1: unix.EBADF, 2: nil, 3: unix.EBADF, 4: nil}, got)
	require.Equal(t, 8, q.Room())
	q.Read(file, disk.Memory(4*disk.Align), 4*disk.Align, 5)
	q.Begin()
	r, _ := q.Next(true)
	require.NoError(t, r.Err)
	require.Equal(t, 2*disk.Align, r.Size, "the file ends there")
}

// A reader reads what the file holds, however long it is and by whatever pieces.
func TestReader(t *testing.T) {
	directFile(t)
	const block = 1 << 20
	for _, size := range []int{0, 1, disk.Align - 1, disk.Align, block - 1, block, block + 1, 4 * block, 9*block + 5000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want := random(size, uint64(size))
			name := filepath.Join(t.TempDir(), "f")
			require.NoError(t, os.WriteFile(name, want, 0o666))
			file, err := os.Open(name)
			require.NoError(t, err)
			defer file.Close()
			for range 2 { // the second time after the first gave the file back
				r, err := disk.NewReader(file)
				require.NoError(t, err)
				defer r.Close()
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got))
				r.Close()
			}
			r, err := disk.NewReader(file)
			require.NoError(t, err)
			defer r.Close()
			got, err := io.ReadAll(iotest.OneByteReader(r))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
			r.Close()
			if size < 2*block {
				r, err := disk.NewReader(file)
				require.NoError(t, err)
				defer r.Close()
				require.NoError(t, iotest.TestReader(r, want))
			}
		})
	}
}

// What is added to a file while it is read is read too, and so is the rest of one that can't be read past the cache any more.
func TestReaderGoesOnAsUsual(t *testing.T) {
	directFile(t)
	name := filepath.Join(t.TempDir(), "f")
	want := random(5<<20+100, 1)
	require.NoError(t, os.WriteFile(name, want, 0o666))
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	r, err := disk.NewReader(file)
	require.NoError(t, err)
	defer r.Close()
	got := make([]byte, 3<<20)
	_, err = io.ReadFull(r, got)
	require.NoError(t, err)
	more, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer more.Close()
	added := random(3<<20, 2)
	_, err = more.Write(added)
	require.NoError(t, err)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(append(bytes.Clone(want), added...), append(got, rest...)))
	n, err := r.Read(make([]byte, 10))
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)

	r, err = disk.NewReader(file)
	require.NoError(t, err)
	_, err = io.ReadFull(r, got[:1<<20+17])
	require.NoError(t, err)
	r.Close()
	rest, err = io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(append(bytes.Clone(want), added...), append(got[:1<<20+17], rest...)))
}

// A file that is no longer open is an error of reading it.
func TestReaderTellsErrors(t *testing.T) {
	directFile(t)
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, random(9<<20, 1), 0o666))
	file, err := os.Open(name)
	require.NoError(t, err)
	r, err := disk.NewReader(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, os.ErrClosed)
}
