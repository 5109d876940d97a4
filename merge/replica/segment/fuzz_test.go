package segment_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// FuzzOpen replaces one file of a log. Whatever is in it: Open returns an error or a log that can be read to its end, goes
// on, and is the same when it is opened again.
func FuzzOpen(f *testing.F) {
	disk := &faultfs.Disk{}
	run := &session{options: segment.Options{SegmentSize: 150}}
	if err := run.run(disk, disk, "a20 s a30 a40 s n a50 s a10 a20 s"); err != nil {
		f.Fatal(err)
	}
	var files []string
	for file := range disk.Contents() {
		files = append(files, file)
	}
	slices.Sort(files)
	for i, file := range files {
		f.Add(uint8(i), disk.Contents()[file])
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		disk := clone(disk)
		disk.Put(files[int(which)%len(files)], append([]byte{}, data...))
		for _, fromSnapshot := range []bool{true, false} {
			first := readAll(t, clone(disk), fromSnapshot)
			if first == nil {
				continue
			}
			again := clone(disk)
			_ = readAll(t, again, fromSnapshot)
			again.Restart()
			if second := readAll(t, again, fromSnapshot); !slices.Equal(first, second) {
				t.Fatalf("at first %q, then %q", first, second)
			}
		}
	})
}

// readAll opens a log and returns its records and its snapshot, and appends one more. It returns nil if it can't be opened.
func readAll(t *testing.T, disk *faultfs.Disk, fromSnapshot bool) []string {
	l, found, err := segment.Open(logDir, segment.Options{FS: disk, FromSnapshot: fromSnapshot})
	if err != nil {
		return nil
	}
	all := []string{""}
	for r, err := range l.From(segment.Position{}) {
		if errors.Is(err, segment.ErrCorrupt) && fromSnapshot {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(r.Body))
	}
	if found.HasSnapshot {
		_, r, err := l.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[0] = string(body)
	}
	return all
}
