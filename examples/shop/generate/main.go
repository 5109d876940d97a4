// Command generate writes the history of the example shop, one day in three regions and all that went wrong on it:
//
//	go run ./examples/shop/generate    # from the top of the module; rewrites the same bytes
//
// It is a simulation and not a script: the sites write, their links carry the writes with a delay, the services react to
// what arrives. So it knows of every write which others its site had seen, which is what a dry run has to find out.
// world.go has the sites, links and clocks; day.go the customers and services; accidents.go what went wrong.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

func main() {
	dir := filepath.Join("examples", "shop")
	if len(os.Args) == 2 {
		dir = os.Args[1]
	}
	if err := generate(dir); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(2)
	}
}

func generate(dir string) error {
	var packed bytes.Buffer
	// The best level and one goroutine, so that equal input gives equal bytes.
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	if err := writeHistory(z, run()); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "shop.ndjson.zst"), packed.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "shop-damaged.ndjson"), damaged(), 0o644)
}

func writeHistory(to io.Writer, w *world) error {
	out := history.NewWriter(to, history.Native)
	for _, d := range w.deliveries() {
		if err := out.Write(&d.rec); err != nil {
			return err
		}
	}
	return out.Close()
}
