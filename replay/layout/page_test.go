package layout_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// write puts one of everything on a page.
func write(p *layout.Page) string {
	p.Heading("shop.tb * over\x1b[2J 3")
	p.Title("Rules <b>")
	p.Table(&layout.Table{
		Columns: []layout.Column{{Head: "key", Least: 8}, {Head: ">writes"}, {Head: "spare", Spare: true}, {Head: "long", Most: 10}},
		Rows:    [][]string{{"a|b", "1,000", "-", "0123456789abc"}, {"c", "2", "", "d"}},
	})
	p.Item("one")
	p.Under("of it")
	p.Note("a note")
	p.Verbatim("diff", "- old", "```")
	p.Command("  ", "Next", "tiebreak why 'a|b'")
	return p.String()
}

func TestAPageIsText(t *testing.T) {
	require.Equal(t, `shop.tb * over\u001b[2J 3

Rules <b>
  key  writes  long
  a|b   1,000  012345678…
  c         2  d
  one
    of it
  - a note
- old
`+"```"+`
  Next: tiebreak why 'a|b'
`, write(&layout.Page{}))
}

func TestAPageIsMarkdown(t *testing.T) {
	require.Equal(t, `# shop.tb \* over\\u001b\[2J 3


## Rules \<b\>

| key | writes | long |
| --- | ---: | --- |
| a\|b | 1,000 | 0123456789abc |
| c | 2 | d |
- one
  - of it
- a note
`+"````diff\n- old\n```\n````"+`

Next:

`+"```sh"+`
tiebreak why 'a|b'
`+"```\n", write(&layout.Page{Markdown: true}))
}

func TestTextsAreWrappedAndTablesClipped(t *testing.T) {
	p := &layout.Page{}
	p.Note(strings.Repeat("word ", 50) + strings.Repeat("京", 60))
	p.Table(&layout.Table{
		Columns: []layout.Column{{Head: "one", Least: 10}, {Head: "two", Least: 40}, {Head: "three"}},
		Rows:    [][]string{{strings.Repeat("a", 80), strings.Repeat("b", 90), strings.Repeat("c", 20)}},
	})
	lines := strings.Split(strings.TrimSuffix(p.String(), "\n"), "\n")
	require.Len(t, lines, 6)
	for i, line := range lines {
		if i != 3 { // a word that is longer than a line
			require.LessOrEqual(t, layout.Columns(line), layout.Width, line)
		}
	}
	require.Equal(t, layout.Width, layout.Columns(lines[5]))
	require.Contains(t, lines[5], strings.Repeat("c", 20)) // it may not be clipped
}

// The lines of a text are as full as they can be, and the widest of the columns that may be clipped give way, the first of two alike.
func TestLinesAndColumnsAreFilled(t *testing.T) {
	p := &layout.Page{}
	p.Wrapped("", "  ", strings.Repeat("a", 49)+" "+strings.Repeat("b", 50)+" "+strings.Repeat("c", 50)+" "+strings.Repeat("d", 48))
	require.Equal(t, strings.Repeat("a", 49)+" "+strings.Repeat("b", 50)+"\n  "+strings.Repeat("c", 50)+"\n  "+strings.Repeat("d", 48)+"\n", p.String())

	p = &layout.Page{}
	p.Table(&layout.Table{
		Columns: []layout.Column{{Least: 10}, {Least: 10}, {Least: 10}},
		Rows:    [][]string{{strings.Repeat("a", 19), strings.Repeat("b", 60), strings.Repeat("c", 61)}},
	})
	require.Equal(t, "  "+strings.Repeat("a", 19)+"  "+strings.Repeat("b", 36)+"…  "+strings.Repeat("c", 37)+"…\n", p.String())
}

func TestWhatMarkdownWrapsIsOneLine(t *testing.T) {
	p := &layout.Page{Markdown: true}
	p.Line("a line")
	p.Line("")
	p.Wrapped("Let:  ", "      ", strings.Repeat("word ", 50))
	require.Equal(t, "a line\n\n"+strings.Repeat("word ", 50)+"\n", p.String())
}

// A key that is an address became a link, and one with dollars a formula.
func TestNoNameIsALinkOrAFormula(t *testing.T) {
	p := &layout.Page{Markdown: true}
	p.Item("https://a.example www.a.example Www.b $x$ a: b.c")
	require.Equal(t, "- https\\://a.example www\\.a.example Www\\.b \\$x\\$ a: b.c\n", p.String())
	p = &layout.Page{}
	p.Item("https://a.example $x$")
	require.Equal(t, "  https://a.example $x$\n", p.String())
}
