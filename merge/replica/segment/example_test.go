package segment_test

import (
	"fmt"
	"io"

	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

func Example() {
	disk := new(faultfs.Disk) // leave FS nil for that of the operating system
	log, _, err := segment.Open("orders", segment.Options{FS: disk})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, body := range []string{"placed", "paid", "shipped"} {
		if _, err := log.Append([]byte(body)); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("synced:", log.Sync() == nil)
	_, _ = log.Append([]byte("returned")) // and the power fails

	log, found, err := segment.Open("orders", segment.Options{FS: disk.PowerCut()})
	fmt.Println("records:", found.Last, err)
	for record, err := range log.From(segment.Position{}) {
		fmt.Println(record.Position.Sequence, string(record.Body), err)
	}
	// Output:
	// synced: true
	// records: 3 <nil>
	// 1 placed <nil>
	// 2 paid <nil>
	// 3 shipped <nil>
}

func ExampleLog_WriteSnapshot() {
	log, _, _ := segment.Open("orders", segment.Options{FS: new(faultfs.Disk)})
	last, _ := log.Append([]byte("placed"))
	err := log.WriteSnapshot(last, func(w io.Writer) error {
		_, err := io.WriteString(w, "1 order")
		return err
	})
	fmt.Println(err)

	at, r, _ := log.Snapshot()
	defer r.Close()
	state, _ := io.ReadAll(r)
	fmt.Println(at.Sequence, string(state))
	// Output:
	// <nil>
	// 1 1 order
}
