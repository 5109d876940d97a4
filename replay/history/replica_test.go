package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

const replicaStart = 1_779_278_400_000_000_000 // 2026-05-20, in nanoseconds

// replicaAt opens a replica whose clock stands still.
func replicaAt(t *testing.T, dir string, node clock.Node) *replica.Replica {
	t.Helper()
	r, err := replica.Open(dir, replica.Options{
		Node:    node,
		Table:   merge.MustParseTable("nodes eu < us\n* * lww\n"),
		Source:  func() int64 { return replicaStart },
		Members: []clock.Node{"eu", "us"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// readAll returns all that a scan of sources gives, in order.
func readAll(t *testing.T, sources []Source, opt Options) (records []Record, aside []finding.Finding) {
	t.Helper()
	opt.Workers = 1
	_, err := Scan(sources, opt, func(b *Batch) error {
		records, aside = append(records, b.Records...), append(aside, b.Aside...)
		return nil
	})
	require.NoError(t, err)
	return records, aside
}

func TestEachOperationOfAReplicaIsARecord(t *testing.T) {
	dir := t.TempDir()
	us, eu := replicaAt(t, dir, "us"), replicaAt(t, "", "eu")
	_, err := us.Write(replica.Write{Key: "orders/1", Version: 3, Request: "r-1", Fields: []merge.Field{
		{Name: "status", Value: `"paid"`, Before: `"new"`}, {Name: "by", Value: `"ann"`}}})
	require.NoError(t, err)
	_, err = eu.Apply("us", us.Since(eu.Seen()))
	require.NoError(t, err)
	_, err = eu.DeleteRecord("orders/1")
	require.NoError(t, err)
	_, err = us.Apply("eu", eu.Since(us.Seen()))
	require.NoError(t, err)

	records, aside := readAll(t, []Source{Directory(dir)}, Options{}) // us is open
	require.Empty(t, aside)
	var writes []Record
	for i, rec := range records {
		require.Equal(t, finding.Place{File: dir, Line: int64(i) + 1}, rec.Place)
		if rec.Kind == Write {
			rec.Place = finding.Place{}
			require.Empty(t, rec.Seen)
			rec.Seen = nil
			writes = append(writes, rec)
			continue
		}
		require.Equal(t, Watermark, rec.Kind)
	}
	require.Len(t, writes, 2)
	require.Empty(t, writes[0].SeenUp)
	writes[0].SeenUp = nil
	require.Equal(t, Record{
		Key: "orders/1", Node: "us", Version: 3, Time: clock.Timestamp{Wall: replicaStart}, Precision: Nanosecond, ID: "us:1", Knows: true, Whole: true,
		Fields: []Field{{Name: "by", Value: `"ann"`}, {Name: "status", Value: `"paid"`, Before: `"new"`}},
	}, writes[0])
	require.Equal(t, merge.Delete, writes[1].Op)
	require.Equal(t, "eu:1", writes[1].ID)
	require.Equal(t, []clock.Dot{{Node: "us", Seq: 1}}, writes[1].SeenUp)
	require.True(t, writes[0].Time.Before(writes[1].Time))
}

func TestDamageEndsTheLogOfAReplica(t *testing.T) {
	dir := t.TempDir()
	r := replicaAt(t, dir, "us")
	for range 9 {
		_, err := r.Set("k", "f", value.Text(strings.Repeat("v", 100)))
		require.NoError(t, err)
	}
	require.NoError(t, r.Close())
	whole, _ := readAll(t, []Source{Directory(dir)}, Options{})
	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	require.NoError(t, err)
	require.Len(t, segments, 1)
	data, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	data[len(data)-150] ^= 1 // in the last record but one, or in the last
	require.NoError(t, os.WriteFile(segments[0], data, 0o640))

	records, aside := readAll(t, []Source{Directory(dir)}, Options{})
	require.Less(t, len(records), len(whole))
	require.Equal(t, whole[:len(records)], records)
	require.Len(t, aside, 1)
	require.Equal(t, finding.CorruptLog, aside[0].Code)
	require.Equal(t, finding.Place{File: dir, Line: int64(len(records)) + 1}, aside[0].Place)
	require.Contains(t, aside[0].Detail, filepath.Base(segments[0])+": byte ")
}

// A record that is whole and yet none: another program, or a later version, wrote it.
func TestAStrangeRecordEndsTheLogOfAReplica(t *testing.T) {
	dir := t.TempDir()
	log, _, err := segment.Open(dir, segment.Options{})
	require.NoError(t, err)
	for _, body := range [][]byte{{0x92, 3, 7}, {0x92, 9, 7}, {0x92, 3, 7}} {
		_, err := log.Append(body)
		require.NoError(t, err)
	}
	require.NoError(t, log.Close())
	records, aside := readAll(t, []Source{Directory(dir)}, Options{})
	require.Len(t, records, 1)
	require.Equal(t, Watermark, records[0].Kind)
	require.Len(t, aside, 1)
	require.Equal(t, finding.CorruptLog, aside[0].Code)
	require.Equal(t, finding.Place{File: dir, Line: 2}, aside[0].Place)
}

func TestAReplicaAmongFilesIsOneSource(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.ndjson"), []byte(`{"key":"k","node":"us","value":1}`), 0o600))
	r := replicaAt(t, filepath.Join(dir, "b"), "us")
	_, err := r.Set("k", "", "2")
	require.NoError(t, err)
	sources, skipped, err := Find(dir)
	require.NoError(t, err)
	require.Empty(t, skipped)
	require.Len(t, sources, 2)
	require.Equal(t, filepath.Join(dir, "b"), sources[1].Name)
	require.Equal(t, Replica, sources[1].Format)
	sources[1].Region = "us"
	records, aside := readAll(t, sources, Options{Format: Native}) // which is of those that don't name their own
	require.Empty(t, aside)
	last := records[len(records)-1]
	require.Equal(t, "us", last.Region)
	require.Equal(t, value.Value("2"), last.Fields[0].Value)
}

func TestTheLimitsHoldForReplicas(t *testing.T) {
	dir := t.TempDir()
	r := replicaAt(t, dir, "us")
	for range 20 {
		_, err := r.Set("k", "f", value.Text(strings.Repeat("v", 100)))
		require.NoError(t, err)
	}
	whole, _ := readAll(t, []Source{Directory(dir)}, Options{})
	inPieces, _ := readAll(t, []Source{Directory(dir)}, Options{chunk: 300})
	require.Equal(t, whole, inPieces)
	records, aside := readAll(t, []Source{Directory(dir)}, Options{MaxBytes: 1000})
	require.Less(t, len(records), len(whole))
	require.Len(t, aside, 1)
	require.Equal(t, finding.TooLarge, aside[0].Code)
	excluded, _ := readAll(t, []Source{Directory(dir)}, Options{Exclude: func(*Record) bool { return true }})
	require.Empty(t, excluded)
}

func TestWhatIsNoReplicaIsNotReadAsOne(t *testing.T) {
	dir := t.TempDir()
	_, err := Scan([]Source{Directory(dir)}, Options{}, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(dir, "a.ndjson")
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	_, err = Scan([]Source{File(file)}, Options{Format: Replica}, nil)
	require.ErrorIs(t, err, ErrFormat)
	strange := File(file)
	strange.Format = "strange"
	_, err = Scan([]Source{strange}, Options{}, nil)
	require.ErrorIs(t, err, ErrFormat)
}
