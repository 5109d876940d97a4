//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package segment

import (
	"errors"
	"io"
	"os"
)

// lockFile refuses: two writers would ruin a log, so none is let in where nothing could keep out a second. An [FS] of one's
// own can do better.
func lockFile(name string) (io.Closer, error) {
	return nil, &os.PathError{Op: "lock", Path: name, Err: errors.ErrUnsupported}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
