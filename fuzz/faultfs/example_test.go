package faultfs_test

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// Whatever a power cut leaves, the record that was acknowledged is there.
func Example() {
	disk := new(faultfs.Disk)
	log, _, _ := segment.Open("log", segment.Options{FS: disk})
	_, _ = log.Append([]byte("paid"))
	_ = log.Sync()
	acknowledged := disk.Operations()
	_, _ = log.Append([]byte("shipped"))
	_ = log.Sync()

	lost, kept := 0, 0
	for image := range disk.Images(faultfs.Crashes{First: acknowledged}) {
		_, found, err := segment.Open("log", segment.Options{FS: image.Disk})
		if err != nil || found.Last < 1 {
			lost++
		}
		if found.Last == 2 {
			kept++
		}
	}
	fmt.Println("lost:", lost)
	fmt.Println("sometimes the second is there too:", kept > 0)
	// Output:
	// lost: 0
	// sometimes the second is there too: true
}
