package replay

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

// smallDisk mounts a disk of 64 KiB, where this process may.
func smallDisk(t *testing.T) (dir string) {
	dir = t.TempDir()
	if err := syscall.Mount("tiebreak", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no small disk to fill: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// On a full disk what does not fit into memory is an error, and nothing is left of it.
func TestAFullDiskEndsTheReadingAndHoldsNothing(t *testing.T) {
	us, _ := manyKeys(4000)
	dir := smallDisk(t)
	_, err := Collect([]history.Source{sourceOf("us", us)}, history.Options{Memory: 1, Temp: dir})
	require.ErrorIs(t, err, syscall.ENOSPC)
	requireRoom(t, dir)
}

// requireRoom wants a small disk to hold nothing, not even without a name.
func requireRoom(t *testing.T, dir string) {
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	var s syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &s))
	require.Equal(t, s.Blocks, s.Bfree)
}

// What can't be kept on a full disk is said once. The report is whole, and nothing is left.
func TestACheckpointOnAFullDiskIsSaid(t *testing.T) {
	us, eu := manyKeys(8000)
	name := filepath.Join(t.TempDir(), "us")
	require.NoError(t, os.WriteFile(name, []byte(us), 0o666))
	sources := []history.Source{history.File(name), sourceOf("eu", eu)}
	h, err := Collect(sources, history.Options{})
	want := saysAll(t, h, err)
	dir := smallDisk(t)
	var r reading
	h, err = r.checkpoint(dir).Collect([]history.Source{sources[0], sourceOf("eu", eu)}, history.Options{})
	require.Equal(t, want, saysAll(t, h, err))
	require.Len(t, r.said, 1)
	require.Contains(t, r.said[0], "no space left")
	requireRoom(t, dir)
}

// Nor is anything left of a key that is too long for memory and disk: it is an error.
func TestAKeyTooLongForTheDiskIsAnError(t *testing.T) {
	text := ""
	for seed := range uint64(6) {
		us, _ := commonHistory(seed)
		text += us
	}
	dir := smallDisk(t)
	h, err := Collect([]history.Source{sourceOf("us", text)}, history.Options{Memory: 128 << 10, Temp: dir})
	require.NoError(t, err)
	h.Run(lwwTable, Options{})
	require.ErrorIs(t, h.Err(), syscall.ENOSPC)
	require.NoError(t, h.Close())
	requireRoom(t, dir)
}
