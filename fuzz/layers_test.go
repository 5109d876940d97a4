package fuzz

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The house, as text: what each package may import of this module and of others. The standard library is open to all but
// for the bans below. If a test here fails, the import is wrong and not the text; a new package gets a line.
const layers = `
clock                 : msgpack
clock/wire            : clock
lww                   : clock msgpack
crdt/law              :
crdt/ordered          :
crdt                  : clock clock/wire crdt/ordered
merge/finding         :
merge/lex             :
merge/value           : crdt merge/finding
merge                 : clock clock/wire lww crdt crdt/ordered merge/finding merge/lex merge/value
merge/replica/segment : merge/finding
merge/replica         : clock clock/wire lww crdt merge merge/finding merge/value merge/replica/segment
replay/disk           : sys
replay/history        : clock lww merge merge/finding merge/lex merge/replica merge/replica/segment merge/value replay/disk msgpack compress
replay/whole          : sys
replay                : clock lww crdt/law merge merge/finding merge/lex merge/value replay/disk replay/history replay/whole compress text
replay/reads          : merge merge/finding merge/value replay replay/history porcupine
replay/layout         : text
replay/report         : clock lww merge merge/finding merge/lex merge/value replay replay/history replay/reads replay/layout
replay/redact         : lww merge merge/finding merge/value replay replay/history
replay/drill          : clock lww merge merge/finding merge/lex merge/value replay replay/history replay/reads replay/layout replay/report
replay/cmd            : clock merge merge/finding merge/lex merge/value replay replay/drill replay/history replay/reads replay/redact replay/layout replay/report replay/whole compress
replay/cmd/tiebreak   : replay/cmd
replay/bench/feeds    :
replay/bench          : replay replay/cmd replay/history replay/bench/feeds compress
examples              : clock lww crdt crdt/law merge merge/finding merge/value merge/replica replay replay/drill replay/history replay/reads replay/bench/feeds replay/cmd compress
fuzz                  :
fuzz/mutate           :
fuzz/plant            : testify
fuzz/faultfs          : merge/replica/segment
fuzz/faultio          :
fuzz/gen              : clock lww crdt merge merge/lex merge/value replay/history gopter
`

var modules = map[string]string{
	"msgpack":   "github.com/vmihailenco/msgpack/v5",
	"compress":  "github.com/klauspost/compress",
	"porcupine": "github.com/anishathalye/porcupine",
	"text":      "golang.org/x/text",
	"sys":       "golang.org/x/sys",
	"gopter":    "github.com/leanovate/gopter",
	"testify":   "github.com/stretchr/testify",
}

// The parts of the standard library that packages may not use, and why.
var bans = []struct {
	in     []string // packages, and all below them
	path   string
	reason string
}{
	{[]string{"clock", "lww", "crdt", "merge"}, "os", "the core does no I/O: state goes in and out by value"},
	{[]string{"clock", "lww", "crdt", "merge"}, "net", "the core does no I/O: operations come from the caller"},
	{[]string{"lww", "crdt", "merge"}, "time", "time enters by stamps alone, so a merge can be repeated"},
	{[]string{"clock", "lww", "crdt", "merge", "replay"}, "math/rand", "equal input, equal bytes: there is no chance in a merge or a report"},
	{[]string{"clock", "lww", "crdt", "merge", "replay"}, "math/rand/v2", "equal input, equal bytes: there is no chance in a merge or a report"},
	{[]string{"clock", "lww", "crdt", "merge", "replay"}, "log", "a library returns what it has to say"},
	{[]string{"lww", "crdt", "merge"}, "sync", "the core starts no goroutine: the caller says who may touch what when"},
	{[]string{"clock", "lww", "crdt", "merge", "replay"}, "testing", "this code runs in production, not only in tests"},
	{[]string{"replay"}, "net", "the command never reaches a network"},
	{[]string{"replay"}, "os/exec", "the command never runs a program"},
	{[]string{"clock", "lww", "crdt", "merge", "replay"}, "encoding/gob", "gob is not hardened against hostile input"},
}

// Exceptions to the bans, each with its reason.
var allowed = map[string]string{
	"lww time":   "a duration is how a verdict says by how much; no clock is read",
	"merge time": "a duration is how a verdict says by how much; no clock is read",
	"crdt sync":  "a generator of ids is shared by goroutines, as a clock is; no merge locks anything",

	"merge/replica/segment os":   "the log is where operations meet the disk: the only I/O below replay",
	"merge/replica/segment sync": "many goroutines wait for one sync of the disk",
	"merge/replica sync":         "a service calls it from many goroutines, and those that write together share a sync",
	"merge/replica time":         "it is what reads the physical clock, unless the caller gives it another",

	"replay/bench os/exec":      "what ours is compared with are programs",
	"replay/bench math/rand/v2": "a made history takes its chances from a seed",
}

const module = "github.com/tiebreakhq/tiebreak/"

func TestImportsKeepTheLayers(t *testing.T) {
	may := make(map[string][]string)
	for line := range strings.Lines(layers) {
		if name, imports, ok := strings.Cut(line, ":"); ok {
			may[strings.TrimSpace(name)] = strings.Fields(imports)
		}
	}
	found := make(map[string]bool)
	eachFile(t, func(file string) {
		pkg := path.Dir(file)
		if strings.HasPrefix(pkg, "examples/") {
			pkg = "examples"
		}
		found[pkg] = true
		allowance, known := may[pkg]
		if !known {
			t.Errorf("%s: package %s has no place in the layers", file, pkg)
			return
		}
		for _, imported := range importsOf(t, file) {
			own, isOwn := strings.CutPrefix(imported, module)
			switch {
			case isOwn && !slices.Contains(allowance, own):
				t.Errorf("%s imports %s: not among what %s may import", file, own, pkg)
			case !isOwn && strings.Contains(imported, "."):
				name := ""
				for short, long := range modules {
					if strings.HasPrefix(imported, long) {
						name = short
					}
				}
				if !slices.Contains(allowance, name) {
					t.Errorf("%s imports %s: not among what %s may import", file, imported, pkg)
				}
			}
			for _, ban := range bans {
				in := slices.ContainsFunc(ban.in, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") })
				if in && imported == ban.path && allowed[pkg+" "+imported] == "" {
					t.Errorf("%s imports %s: %s", file, imported, ban.reason)
				}
			}
		}
	})
	for pkg := range may {
		if !found[pkg] {
			t.Errorf("the layers name %s, which does not exist", pkg)
		}
	}
}

func TestTopLevelIsTheHouse(t *testing.T) {
	entries, err := os.ReadDir("..")
	require.NoError(t, err)
	house := strings.Fields("clock crdt lww merge replay examples fuzz go.mod go.sum README.md LICENSE CHANGELOG.md")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(house, e.Name()) {
			t.Errorf("%s is no part of the house", e.Name())
		}
	}
}

func TestEveryPackageHasADocFile(t *testing.T) {
	packages := make(map[string]bool)
	eachFile(t, func(file string) { packages[path.Dir(file)] = true })
	for pkg := range packages {
		if strings.HasPrefix(pkg, "examples") || strings.HasSuffix(pkg, "cmd/tiebreak") {
			continue // mains say what they are in their one file
		}
		_, doc := os.Stat(filepath.Join("..", pkg, "doc.go"))
		_, named := os.Stat(filepath.Join("..", pkg, path.Base(pkg)+".go"))
		if doc != nil && named != nil {
			t.Errorf("%s has no doc.go", pkg)
		}
	}
}

// eachFile calls each with every Go file of the module that is not a test, by its path from the top.
func eachFile(t *testing.T, each func(file string)) {
	err := filepath.WalkDir("..", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "testdata" || strings.HasPrefix(e.Name(), ".") && e.Name() != "..") {
			return filepath.SkipDir
		}
		if e.IsDir() && name != ".." {
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return filepath.SkipDir // a module of its own
			}
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			each(filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator))))
		}
		return nil
	})
	require.NoError(t, err)
}

func importsOf(t *testing.T, file string) []string {
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.ImportsOnly)
	require.NoError(t, err)
	var paths []string
	for _, spec := range parsed.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		paths = append(paths, p)
	}
	return paths
}
