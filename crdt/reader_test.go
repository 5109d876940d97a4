package crdt

import (
	"bytes"
	"fmt"
	"math/rand"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// innerTypes says of what the maps of the tests are, which a frame does not.
var innerTypes = map[string][]string{
	"Map":              {"ResetCounter"},
	"Map of registers": {"MVRegister"},
	"nested Map":       {"Map", "ORSet"},
}

// byPython gives frames to the reader in testdata, which was written from the layout at the head of wire.go alone.
func byPython(t *testing.T, kind string, frames [][]byte) (want, got string, err error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here, so that nobody else reads the frames")
	}
	var lines strings.Builder
	for _, data := range frames {
		fmt.Fprintf(&lines, "%x\n", data)
	}
	c := exec.Command(python, append([]string{filepath.Join("testdata", "reader", "frames.py")}, innerTypes[kind]...)...)
	c.Stdin = strings.NewReader(lines.String())
	var out, trouble bytes.Buffer
	c.Stdout, c.Stderr = &out, &trouble
	if err = c.Run(); err != nil {
		err = fmt.Errorf("%w: %s", err, trouble.String())
	}
	return lines.String(), out.String(), err
}

func TestAnotherLanguageReadsFramesAndWritesThemTheSame(t *testing.T) {
	for kind, k := range wiredKinds {
		t.Run(kind, func(t *testing.T) {
			if testing.Short() && kind != "nested Map" {
				t.Skip("one kind will do")
			}
			frames, err := frozenFrames(kind)
			require.NoError(t, err)
			r := rand.New(rand.NewSource(3))
			for range 40 {
				frames = append(frames, k.frame(r))
			}
			want, got, err := byPython(t, kind, frames)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestAnotherLanguageRefusesDamagedFrames(t *testing.T) {
	frames, err := frozenFrames("ORSet")
	require.NoError(t, err)
	damaged := bytes.Clone(frames[0])
	damaged[len(damaged)-1] ^= 1
	_, _, err = byPython(t, "ORSet", [][]byte{damaged})
	require.ErrorContains(t, err, "line 1: the checksum is wrong")
}
