//go:build !linux

package replay

// preferLargePages does nothing where nobody is known to listen.
func preferLargePages([]byte) {}
