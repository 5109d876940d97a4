package faultfs_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

const create = os.O_RDWR | os.O_CREATE | os.O_EXCL

// made is a file with a durable name and a durable "ab" in it.
func made(t *testing.T, d *faultfs.Disk, name string) segment.File {
	f, err := d.OpenFile(name, create)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("ab"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, d.SyncDir("dir"))
	return f
}

// left returns what images at the last point have in a file, each once; "-" where there is none.
func left(d *faultfs.Disk, name string) map[string]bool {
	all := make(map[string]bool)
	for image := range d.Images(faultfs.Crashes{PerPoint: math.MaxInt, First: d.Operations()}) {
		data, ok := image.Disk.Contents()[name]
		if !ok {
			data = []byte("-")
		}
		all[string(data)] = true
	}
	return all
}

func set(all ...string) map[string]bool {
	m := make(map[string]bool)
	for _, s := range all {
		m[s] = true
	}
	return m
}

func TestWhatIsNotSyncedMayBeThereInEveryCombination(t *testing.T) {
	var d faultfs.Disk
	f := made(t, &d, "dir/f")
	assert.Equal(t, set("ab"), left(&d, "dir/f"))

	_, err := f.WriteAt([]byte("C"), 2)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("DE"), 3)
	require.NoError(t, err)
	noise := func(s string) string { return string([]byte{s[0] ^ 0xA5}) }
	assert.Equal(t, set(
		"ab",                             // nothing
		"abC", "ab\x00", "ab"+noise("C"), // the first: whole, as zeros, as noise
		"abCDE", "abCD", "abC\x00\x00", "abC"+noise("D")+string([]byte{'E' ^ 0xA6}), // both
		"ab\x00DE", "ab\x00D", "ab\x00\x00\x00", "ab\x00"+noise("D")+string([]byte{'E' ^ 0xA6}), // the second without the first
	), left(&d, "dir/f"))
	require.NoError(t, f.Sync())
	assert.Equal(t, set("abCDE"), left(&d, "dir/f"))

	require.NoError(t, f.Truncate(1))
	assert.Equal(t, set("abCDE", "a"), left(&d, "dir/f"))
}

func TestANameIsDurableWhenItsDirectoryIsSynced(t *testing.T) {
	var d faultfs.Disk
	f, err := d.OpenFile("dir/f", create)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("a"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	assert.Equal(t, set("-", "a"), left(&d, "dir/f"), "the sync of a file is not that of its name")
	require.NoError(t, d.SyncDir("dir"))
	assert.Equal(t, set("a"), left(&d, "dir/f"))

	made(t, &d, "dir/g")
	require.NoError(t, d.Rename("dir/g", "dir/f"))
	assert.Equal(t, set("a", "ab"), left(&d, "dir/f"), "the old or the new one")
	require.NoError(t, d.SyncDir("other"))
	assert.Equal(t, set("a", "ab"), left(&d, "dir/f"))
	require.NoError(t, d.Remove("dir/f"))
	assert.Equal(t, set("a", "ab", "-"), left(&d, "dir/f"))
	require.NoError(t, d.SyncDir("dir"))
	assert.Equal(t, set("-"), left(&d, "dir/f"))
}

func TestSectorsOfAWriteComeApart(t *testing.T) {
	d := faultfs.Disk{Sector: 2}
	f := made(t, &d, "dir/f")
	_, err := f.WriteAt([]byte("CDE"), 1) // sectors [1,2) and [2,4)
	require.NoError(t, err)
	all := left(&d, "dir/f")
	for _, want := range []string{"ab", "aC", "aCDE", "abDE", "aCD", "abD"} {
		assert.True(t, all[want], want)
	}
	assert.Len(t, all, 1+3+2*4, "nothing; the first alone, whole or torn in 2 ways; the second in 4, with the first and without")
}

func TestImagesAreTheSameForTheSameSeed(t *testing.T) {
	var d faultfs.Disk
	f := made(t, &d, "dir/f")
	for i := range 20 {
		_, err := f.WriteAt(bytes.Repeat([]byte{byte(i)}, 30), int64(i*30))
		require.NoError(t, err)
	}
	images := func(seed uint64) []string {
		var all []string
		for image := range d.Images(faultfs.Crashes{PerPoint: 50, Seed: seed}) {
			all = append(all, fmt.Sprint(image, image.Disk.Contents()))
		}
		return all
	}
	one := images(1)
	assert.Equal(t, one, images(1))
	assert.NotEqual(t, one, images(2))
	assert.Less(t, len(one), 50*(d.Operations()+1))
}

func TestASyncThatFailedIsNeverMadeGood(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		d := faultfs.Disk{Forgets: forgets}
		f := made(t, &d, "dir/f")
		_, err := f.WriteAt([]byte("C"), 2)
		require.NoError(t, err)
		d.Fault = faultfs.At(d.Operations(), faultfs.EIO)
		require.ErrorIs(t, f.Sync(), syscall.EIO)
		require.NoError(t, f.Sync(), "the second says that all is well")
		want := "abC"
		if forgets {
			want = "ab"
		}
		assert.Equal(t, want, string(d.Contents()["dir/f"]))
		assert.True(t, left(&d, "dir/f")["ab"])
		assert.True(t, left(&d, "dir/f")["abC"])
		assert.Equal(t, "ab", string(d.PowerCut().Contents()["dir/f"]))

		_, err = f.WriteAt([]byte("D"), 2)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		assert.Equal(t, set("abD"), left(&d, "dir/f"), "what is written over it is")
	}
}

// What had been synced behind a cut of the file that an earlier sync lost was forgotten too.
func TestASyncThatFailsForgetsNothingThatWasSynced(t *testing.T) {
	d := faultfs.Disk{Forgets: true}
	f := made(t, &d, "dir/f")
	require.NoError(t, f.Truncate(2))
	d.Fault = faultfs.At(d.Operations(), faultfs.EIO)
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	_, err := f.WriteAt([]byte("C"), 2)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	_, err = f.WriteAt([]byte("D"), 3)
	require.NoError(t, err)
	d.Fault = faultfs.At(d.Operations(), faultfs.EIO)
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	assert.Equal(t, "abC", string(d.Contents()["dir/f"]))
	assert.Equal(t, "abC", string(d.PowerCut().Contents()["dir/f"]))
}

func TestFaultsFailTheOperationTheyAreFor(t *testing.T) {
	for _, test := range []struct {
		fault   faultfs.Fault
		written int
		err     error
		shows   string
	}{
		{faultfs.None, 4, nil, "abCDEF"},
		{faultfs.EIO, 0, syscall.EIO, "ab"},
		{faultfs.NoSpace, 0, syscall.ENOSPC, "ab"},
		{faultfs.Short, 2, syscall.ENOSPC, "abCD"},
		{faultfs.Lie, 4, nil, "abCDEF"},
		{faultfs.Crash, 0, faultfs.ErrCrashed, "ab"},
	} {
		var d faultfs.Disk
		f := made(t, &d, "dir/f")
		d.Fault = faultfs.At(d.Operations(), test.fault)
		n, err := f.WriteAt([]byte("CDEF"), 2)
		assert.Equal(t, test.written, n)
		assert.ErrorIs(t, err, test.err)
		assert.Equal(t, test.shows, string(d.Contents()["dir/f"]))
		if test.fault == faultfs.Crash {
			assert.ErrorIs(t, f.Sync(), faultfs.ErrCrashed)
			d.Restart()
			_, err := f.WriteAt(nil, 0)
			assert.ErrorIs(t, err, faultfs.ErrCrashed, "it was opened before")
			continue
		}
		require.NoError(t, f.Sync())
		if test.fault == faultfs.Lie {
			test.shows = "ab"
		}
		assert.Equal(t, test.shows, string(d.PowerCut().Contents()["dir/f"]))
	}
}

func TestTheDiskIsADisk(t *testing.T) {
	var d faultfs.Disk
	f := made(t, &d, "dir/f")
	_, err := d.OpenFile("dir/f", create)
	assert.ErrorIs(t, err, fs.ErrExist)
	_, err = d.OpenFile("dir/g", os.O_RDWR)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, d.Remove("dir/g"), fs.ErrNotExist)
	assert.ErrorIs(t, d.Rename("dir/g", "dir/h"), fs.ErrNotExist)
	read, err := d.OpenFile("dir/f", os.O_RDONLY)
	require.NoError(t, err)
	_, err = read.WriteAt(nil, 0)
	assert.ErrorIs(t, err, fs.ErrPermission)
	require.NoError(t, d.Remove("dir/f"))
	b := make([]byte, 2)
	_, err = read.ReadAt(b, 0)
	require.NoError(t, err)
	assert.Equal(t, "ab", string(b), "an open file outlives its name")
	require.NoError(t, f.Close())
	assert.ErrorIs(t, f.Sync(), fs.ErrClosed)
	names, err := d.ReadDir("dir")
	require.NoError(t, err)
	assert.Empty(t, names)

	lock, err := d.Lock("dir/lock")
	require.NoError(t, err)
	_, err = d.Lock("dir/lock")
	assert.ErrorIs(t, err, segment.ErrLocked)
	require.NoError(t, lock.Close())
	_, err = d.Lock("dir/lock")
	assert.NoError(t, err)
	d.Restart()
	_, err = d.Lock("dir/lock")
	assert.NoError(t, err)
}
