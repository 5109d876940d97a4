//go:build !linux

package history

// memoryBytes returns 0: how much there is matters only where something can be let go.
func memoryBytes() int64 { return 0 }

func letGo(file uintptr, from, to int64) {}
