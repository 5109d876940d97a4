package main

import (
	_ "embed"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed equivalent.txt
var equivalentText string

func main() { os.Exit(mutate(os.Stdout, os.Stderr, os.Args[1:])) }

func mutate(stdout, stderr io.Writer, args []string) int {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	sample := flags.Int("sample", 0, "take so many mutants of each package; 0: all")
	seed := flags.Int64("seed", 1, "seed of the sample")
	only := flags.String("only", "", "take the mutants whose description matches this regular expression")
	also := flags.String("also", "", "packages, by commas, whose tests are tried on what survives")
	least := flags.Float64("least", 95, "the per cent that must be killed")
	parallel := flags.Int("parallel", 1, "how many mutants are tried at once")
	quick := flags.Duration("quick", 0, "leave out the tests that compute longer than this by themselves; 0: none")
	list := flags.Bool("list", false, "print the mutants, run nothing")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		fmt.Fprintln(stderr, "mutate: name the packages, as in: go run ./fuzz/mutate -sample 150 ./clock")
		return 2
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(stderr, "mutate:", err)
		return 2
	}
	equivalent, err := parseEquivalent(equivalentText)
	if err != nil {
		fmt.Fprintln(stderr, "mutate:", err)
		return 2
	}
	status := 0
	for _, path := range flags.Args() {
		p, err := load(path)
		if err != nil {
			fmt.Fprintf(stderr, "mutate: %s: %v\n", path, err)
			return 2
		}
		if stale := p.markEquivalent(equivalent); len(stale) > 0 {
			fmt.Fprintf(stderr, "mutate: equivalent.txt names what is no mutant:\n%s\n", strings.Join(stale, "\n"))
			return 2
		}
		chosen := choose(p.mutants, match, *sample, *seed)
		if *list {
			for _, m := range chosen {
				fmt.Fprintln(stdout, m.where()+":", m)
			}
			continue
		}
		var others []string
		if *also != "" {
			others = strings.Split(*also, ",")
		}
		score, err := p.run(chosen, others, max(1, *parallel), *quick, stdout, stderr)
		if err != nil {
			fmt.Fprintf(stderr, "mutate: %s: %v\n", path, err)
			return 2
		}
		fmt.Fprintln(stdout, score)
		if score.percent() < *least {
			status = 1
		}
	}
	return status
}

// choose returns the mutants that match, or a sample of them.
func choose(all []*mutant, match *regexp.Regexp, sample int, seed int64) []*mutant {
	var chosen []*mutant
	for _, m := range all {
		if match.MatchString(m.where() + ": " + m.String()) {
			chosen = append(chosen, m)
		}
	}
	if sample > 0 && sample < len(chosen) {
		r := rand.New(rand.NewSource(seed))
		r.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:sample]
		slices.SortFunc(chosen, func(a, b *mutant) int { return a.id - b.id })
	}
	return chosen
}

// score is the result for one package.
type score struct {
	path                      string
	all                       int // mutants of the package, equivalent ones included
	killed, lived, equivalent int // of those that were tried
	took                      time.Duration
}

func (s score) percent() float64 {
	if s.killed+s.lived == 0 {
		return 100
	}
	return 100 * float64(s.killed) / float64(s.killed+s.lived)
}

// interval returns the 95 % confidence interval of the percentage (Wilson), if only a sample was tried.
func (s score) interval() (low, high float64) {
	n := float64(s.killed + s.lived)
	if n == 0 || s.killed+s.lived+s.equivalent == s.all {
		return s.percent(), s.percent()
	}
	const z = 1.96
	p := float64(s.killed) / n
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return 100 * (middle - half), 100 * (middle + half)
}

func (s score) String() string {
	text := fmt.Sprintf("%s: %d of %d killed, %.1f %%", s.path, s.killed, s.killed+s.lived, s.percent())
	if low, high := s.interval(); low != high {
		text += fmt.Sprintf(" (95 %% interval %.1f to %.1f; a sample of %d mutants)", low, high, s.all)
	}
	return text + fmt.Sprintf("; %d equivalent, %s of computing", s.equivalent, s.took.Round(time.Second))
}

// parseEquivalent reads lines of the form that a survivor is printed in, without its line number, and a reason after " ~ ".
func parseEquivalent(text string) (map[string]string, error) {
	reasons := make(map[string]string)
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, " ~ ")
		if !ok || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("equivalent.txt:%d: a mutant needs a reason, after \" ~ \"", i+1)
		}
		if _, twice := reasons[key]; twice {
			return nil, fmt.Errorf("equivalent.txt:%d: it stands there twice", i+1)
		}
		reasons[key] = reason
	}
	return reasons, nil
}
