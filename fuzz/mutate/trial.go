package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// switchText is the file that is added to the package: which mutant is on, and, for the first run, which were asked.
const switchText = `package %s

import (
	"os"
	"strconv"
	"sync/atomic"
)

var (
	mutantNow, _  = strconv.Atoi(os.Getenv("MUTANT"))
	mutantsAsked  [%d]atomic.Bool
	mutantsAskedOf, _ = os.OpenFile(os.Getenv("MUTANTS_ASKED"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
)

func mutantOn(id int) bool {
	if mutantsAskedOf != nil && !mutantsAsked[id].Swap(true) {
		_, _ = mutantsAskedOf.WriteString(strconv.Itoa(id) + "\n")
	}
	return id == mutantNow
}
`

// suite is the tests of one package, compiled with all mutants.
type suite struct {
	binary, dir string
	tests       []*test
}

type test struct {
	name  string
	took  time.Duration
	asked map[int]bool // the mutants whose switch it passes
}

// compile builds the tests of path with the mutants of p in it. Sites that the compiler does not take are dropped.
func (p *pkg) compile(path, dir string) (string, error) {
	overlay := make(map[string]string)
	write := func(s *source, text []byte) error {
		to := filepath.Join(dir, filepath.Base(s.path))
		overlay[s.path] = to
		return os.WriteFile(to, text, 0o644)
	}
	added := &source{path: filepath.Join(p.dir, "mutant_switch.go")}
	if err := write(added, fmt.Appendf(nil, switchText, p.name, len(p.mutants)+1)); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, strings.NewReplacer("/", "_", ".", "_").Replace(path)+".test")
	for range 20 {
		for _, s := range p.files {
			if err := write(s, p.instrument(s)); err != nil {
				return "", err
			}
		}
		text, err := json.Marshal(map[string]any{"Replace": overlay})
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o644); err != nil {
			return "", err
		}
		_, err = run("go", "test", "-c", "-vet=off", "-gcflags=-e", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, path)
		if err == nil {
			return binary, nil
		}
		if !p.drop(err.Error(), dir) {
			return "", err
		}
	}
	return "", errors.New("it does not compile with mutants in it")
}

var compileError = regexp.MustCompile(`(?m)([\w./-]+\.go):(\d+):(\d+): `)

// drop drops the sites on the lines that the compiler complains of, and reports whether there were any.
func (p *pkg) drop(complaint, dir string) (any bool) {
	for _, c := range compileError.FindAllStringSubmatch(complaint, -1) {
		line, _ := strconv.Atoi(c[2])
		for _, s := range p.files {
			if filepath.Base(s.path) != filepath.Base(c[1]) {
				continue
			}
			// Where the line of the instrumented text begins and ends, what was inserted there.
			at, from := 1, 0
			text := string(p.instrument(s))
			for ; at < line; at++ {
				from += strings.IndexByte(text[from:], '\n') + 1
			}
			to := from + strings.IndexByte(text[from:]+"\n", '\n')
			shift := 0
			for _, in := range s.insertions {
				if p.sites[in.site].dropped {
					continue
				}
				if begin := in.at + shift; begin <= to && begin+len(in.text) >= from {
					defer func() { p.sites[in.site].dropped = true }()
					any = true
				}
				shift += len(in.text)
			}
		}
	}
	return any
}

// begin compiles the tests of path, and runs each by itself. Those that compute longer than quick, unless it is 0, are left
// out.
func (p *pkg) begin(path, dir string, quick time.Duration) (*suite, error) {
	binary, err := p.compile(path, dir)
	if err != nil {
		return nil, err
	}
	out, err := run("go", "list", "-f", "{{.Dir}}", path)
	if err != nil {
		return nil, err
	}
	s := &suite{binary: binary, dir: strings.TrimSpace(string(out))}
	names, err := s.command(context.Background(), 0, "", "-test.list", ".*").Output()
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Fields(string(names)) {
		if strings.HasPrefix(name, "Benchmark") {
			continue
		}
		asked := filepath.Join(dir, "asked."+name)
		cmd := s.command(context.Background(), 0, asked, "-test.short", "-test.run", "^"+name+"$")
		if quick > 0 {
			s.limit(cmd, quick)
		}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			return nil, err
		}
		took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if quick > 0 && took > quick {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s fails without a mutant:\n%s", name, out)
		}
		t := &test{name: name, took: took, asked: make(map[int]bool)}
		ids, _ := os.ReadFile(asked)
		for _, id := range strings.Fields(string(ids)) {
			n, _ := strconv.Atoi(id)
			t.asked[n] = true
		}
		s.tests = append(s.tests, t)
	}
	slices.SortStableFunc(s.tests, func(a, b *test) int { return int(a.took - b.took) })
	return s, nil
}

func (s *suite) command(ctx context.Context, mutant int, asked string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(mutant), "MUTANTS_ASKED="+asked, "GOMAXPROCS=1", "GOMEMLIMIT=1GiB")
	return cmd
}

// limit ends a command that computes longer than t, which is rounded up to seconds.
func (s *suite) limit(cmd *exec.Cmd, t time.Duration) {
	ulimit := fmt.Sprintf("ulimit -t %d; exec \"$0\" \"$@\"", int(t.Seconds())+1)
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", ulimit, s.binary}, cmd.Args[1:]...)
}

// kill runs the tests that pass the switch of a mutant, a few fast ones first, and returns what killed it: "" if nothing
// did.
func (s *suite) kill(m *mutant) (by string, took time.Duration, err error) {
	var left []*test
	for _, t := range s.tests {
		if t.asked[m.id] {
			left = append(left, t)
		}
	}
	for size := 4; len(left) > 0; size *= 2 {
		group := left[:min(size, len(left))]
		left = left[len(group):]
		limit := 5 * time.Second
		var names []string
		for _, t := range group {
			names = append(names, t.name)
			limit += 5 * t.took
		}
		// What computes no longer than this may wait for other work of the machine a hundred times as long.
		ctx, cancel := context.WithTimeout(context.Background(), 100*limit)
		shell := s.command(ctx, m.id, "", "-test.short", "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
		s.limit(shell, limit)
		out, err := shell.CombinedOutput()
		cancel()
		if shell.ProcessState == nil {
			return "", took, err
		}
		took += shell.ProcessState.UserTime() + shell.ProcessState.SystemTime()
		if err != nil {
			if failed := failedTest.FindSubmatch(out); failed != nil {
				return string(failed[1]), took, nil
			}
			return "a panic, or the time", took, nil
		}
	}
	return "", took, nil
}

var failedTest = regexp.MustCompile(`--- FAIL: (\S+)`)

// trial is what became of one mutant.
type trial struct {
	by   string // the test that killed it, "" if none did
	took time.Duration
	err  error
}

// run tries mutants on the tests of the package, and on those of others where they survive.
func (p *pkg) run(chosen []*mutant, others []string, parallel int, quick time.Duration, stdout, stderr io.Writer) (score, error) {
	result := score{path: p.path}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return result, err
	}
	defer os.RemoveAll(dir)
	own, err := p.begin(p.path, dir, quick)
	if err != nil {
		return result, err
	}
	dropped := make(map[*mutant]bool)
	for _, s := range p.sites {
		for _, m := range s.mutants {
			if s.dropped {
				dropped[m] = true
			}
		}
	}
	result.all = len(p.mutants) - len(dropped)
	fmt.Fprintf(stderr, "mutate: %s: %d mutants, %d more do not compile\n", p.path, result.all, len(dropped))
	var tried []*mutant
	for _, m := range chosen {
		switch {
		case dropped[m]:
		case m.equivalent:
			result.equivalent++
		default:
			tried = append(tried, m)
		}
	}
	trials := make([]trial, len(tried))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for i := next.Add(1); int(i) <= len(tried); i = next.Add(1) {
				m, t := tried[i-1], &trials[i-1]
				if t.by, t.took, t.err = own.kill(m); t.by == "" && t.err == nil {
					fmt.Fprintf(stderr, "mutate: %d of %d survives: %s: %s\n", i, len(tried), m.where(), m)
				}
			}
		})
	}
	workers.Wait()
	var survivors []*mutant
	for i, t := range trials {
		if t.err != nil {
			return result, t.err
		}
		result.took += t.took
		if t.by == "" {
			survivors = append(survivors, tried[i])
		} else {
			result.killed++
		}
	}
	for _, path := range others {
		if len(survivors) == 0 {
			break
		}
		sub := filepath.Join(dir, "of"+strings.ReplaceAll(path, "/", "_"))
		if err := os.Mkdir(sub, 0o755); err != nil {
			return result, err
		}
		s, err := p.begin(path, sub, quick)
		if err != nil {
			return result, err
		}
		left := survivors[:0]
		for _, m := range survivors {
			by, took, err := s.kill(m)
			if err != nil {
				return result, err
			}
			result.took += took
			if by == "" {
				left = append(left, m)
			} else {
				result.killed++
			}
		}
		survivors = left
	}
	result.lived = len(survivors)
	for _, m := range survivors {
		fmt.Fprintf(stdout, "%s: %s\n", m.where(), m)
	}
	return result, nil
}
