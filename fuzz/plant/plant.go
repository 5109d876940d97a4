// Package plant puts known bugs into a package and lets the tests that are named for them find them.
//
// All bugs are compiled into one test binary: each function that has one stands there a second time with it, and an
// environment variable says which of the two runs. So a bug costs what its test takes, and not what a compiler does.
package plant

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bug is a mistake in one function.
type Bug struct {
	Name      string
	File      string // from the directory of the test
	Code, Bad string // what stands in the file once, and what is put there
	CaughtBy  string // the test that must fail
}

// Test checks that each bug could still be planted. If all is true, it plants them too, one at a time, and fails unless the
// tests that are named find them: with -short first, which is enough for most, and without it then.
func Test[B ~struct{ Name, File, Code, Bad, CaughtBy string }](t *testing.T, bugs []B, all bool) {
	var binary string
	if all {
		binary = build(t, bugs)
		passes := make(map[string]bool)
		for _, b := range bugs {
			if test := Bug(b).CaughtBy; !passes[test] {
				out, err := run(binary, 0, test, "-test.short")
				require.NoError(t, err, "%s fails without a bug\n%s", test, out)
				passes[test] = true
			}
		}
	}
	for i, b := range bugs {
		t.Run(Bug(b).Name, func(t *testing.T) {
			b := Bug(b)
			source, err := os.ReadFile(b.File)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(source), b.Code), "%s: %q must stand there once", b.File, b.Code)
			if !all {
				return
			}
			out, err := run(binary, i+1, b.CaughtBy, "-test.short")
			if err == nil {
				out, err = run(binary, i+1, b.CaughtBy)
			}
			require.NotContains(t, out, "no tests to run")
			require.NotContains(t, out, "test timed out", "to take too long is not to find it")
			require.Error(t, err, "%s has not found it", b.CaughtBy)
			t.Logf("caught by %s", b.CaughtBy)
		})
	}
}

func run(binary string, bug int, test string, flags ...string) (out string, err error) {
	cmd := exec.Command(binary, append(flags, "-test.timeout=30m", "-test.run", "^"+test+"$")...)
	cmd.Env = append(os.Environ(), "PLANTED="+strconv.Itoa(bug))
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// switchText is the file that is added to each package.
const switchText = `package %s

import (
	"os"
	"strconv"
)

var plantedNow, _ = strconv.Atoi(os.Getenv("PLANTED"))
`

// build compiles the tests of the package in this directory with all bugs in it.
func build[B ~struct{ Name, File, Code, Bad, CaughtBy string }](t *testing.T, bugs []B) (binary string) {
	dir := t.TempDir()
	overlay := make(map[string]string)
	put := func(path, text string) {
		path, err := filepath.Abs(path)
		require.NoError(t, err)
		to := filepath.Join(dir, strconv.Itoa(len(overlay))+".go")
		require.NoError(t, os.WriteFile(to, []byte(text), 0o644))
		overlay[path] = to
	}
	files := make(map[string]*file)
	switched := make(map[string]bool)
	for i, b := range bugs {
		b := Bug(b)
		f := files[b.File]
		if f == nil {
			source, err := os.ReadFile(b.File)
			require.NoError(t, err)
			f = &file{text: string(source)}
			f.syntax, err = parser.ParseFile(&f.places, b.File, source, 0)
			require.NoError(t, err)
			files[b.File] = f
		}
		require.NoError(t, f.plant(b, i+1), b.Name)
		if dir := filepath.Dir(b.File); !switched[dir] {
			switched[dir] = true
			put(filepath.Join(dir, "planted_switch.go"), fmt.Sprintf(switchText, f.syntax.Name.Name))
		}
	}
	for path, f := range files {
		put(path, f.planted())
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o644))
	binary = filepath.Join(dir, "planted.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "the bugs must compile:\n%s", out)
	return binary
}

// file is a file with bugs.
type file struct {
	text   string
	syntax *ast.File
	places token.FileSet
	calls  []call
	more   strings.Builder // functions with bugs
}

// call is a text that is put into a file.
type call struct {
	at   int
	text string
}

func (f *file) offset(p token.Pos) int { return f.places.Position(p).Offset }

// plant adds the function of a bug with the bug in it, and a switch to it.
func (f *file) plant(b Bug, number int) error {
	at := strings.Index(f.text, b.Code)
	if at < 0 {
		return fmt.Errorf("%s: %q is not there", b.File, b.Code)
	}
	for i, decl := range f.syntax.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || at < f.offset(fn.Body.Lbrace) || at+len(b.Code) > f.offset(fn.End()) {
			continue
		}
		var places token.FileSet
		text := strings.Replace(f.text, b.Code, b.Bad, 1)
		syntax, err := parser.ParseFile(&places, b.File, text, 0)
		if err != nil {
			return err
		}
		bad := syntax.Decls[i].(*ast.FuncDecl)
		name := fmt.Sprintf("%s_planted%d", fn.Name.Name, number)
		from, to := places.Position(bad.Pos()).Offset, places.Position(bad.End()).Offset
		nameEnd := places.Position(bad.Name.End()).Offset
		f.more.WriteString("\n" + text[from:nameEnd-len(fn.Name.Name)] + name + text[nameEnd:to] + "\n")

		arguments, types := f.names(fn.Type.Params), ""
		if fn.Recv != nil {
			name = f.names(fn.Recv) + "." + name
		} else if fn.Type.TypeParams != nil {
			types = "[" + f.names(fn.Type.TypeParams) + "]"
		}
		text = fmt.Sprintf("%s%s(%s)", name, types, arguments)
		if fn.Type.Results != nil {
			text = "return " + text
		} else {
			text += "; return"
		}
		f.calls = append(f.calls, call{f.offset(fn.Body.Lbrace) + 1, fmt.Sprintf(" if plantedNow == %d { %s }; ", number, text)})
		return nil
	}
	return fmt.Errorf("%s: %q does not stand in one function", b.File, b.Code)
}

// names returns the names in a list of parameters, as arguments.
func (f *file) names(list *ast.FieldList) string {
	var names []string
	for _, field := range list.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
		if len(field.Names) == 0 {
			names = append(names, "a parameter without a name") // the compiler says where
		}
		if _, isVariadic := field.Type.(*ast.Ellipsis); isVariadic {
			names[len(names)-1] += "..."
		}
	}
	return strings.Join(names, ", ")
}

func (f *file) planted() string {
	slices.SortStableFunc(f.calls, func(a, b call) int { return cmp.Compare(a.at, b.at) })
	var out strings.Builder
	done := 0
	for _, c := range f.calls {
		out.WriteString(f.text[done:c.at] + c.text)
		done = c.at
	}
	return out.String() + f.text[done:] + f.more.String()
}
