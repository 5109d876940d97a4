// Package faultfs is a disk in memory that fails: a [segment.FS] whose writes tear, whose syncs fail, which runs full, and
// which loses power at every moment there is. It is for the tests of the log and of whatever stands on it, ours and yours.
//
// A [Disk] is used as any other FS. It numbers the operations that change it and keeps them all, so that afterwards
// [Disk.Images] can produce what a power cut could have left at any moment, and [Disk.Fault] can make the n-th one fail:
//
//	disk := new(faultfs.Disk)
//	acked := run(disk)                             // notes disk.Operations() when something is acknowledged
//	for image := range disk.Images(faultfs.Crashes{}) {
//		recovered := read(image.Disk)              // must hold what was acknowledged up to image.After
//	}
//
// # What a power cut leaves
//
// What was synced is there: of a file what was written and cut before its Sync, of names those changed before the SyncDir of
// their directory. Of everything else any part may be there, in any combination, later things without earlier ones: each
// name made, changed or removed, each cut of a file, and each sector of each write. Of the last sector written any number of
// bytes may be there, or zeros in its place, or noise. What lies before a part that is there, and was never written, is
// zeros.
//
// After a Sync that failed, what it should have written may be there or not, whatever later syncs say; the running system
// goes on to show it, as Linux does for most file systems, or shows what is on the disk if [Disk.Forgets].
//
// It is stricter than disks are: no sector is written whole, a file's name takes nothing along, and the order of names
// is not kept. It does not model damage to what was synced, nor disks that lie about it; the latter is what [Lie] is for.
package faultfs
