package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// JSON writes a report, story, diff or the like for programs: indented, with a line break at the end. What is not
// printable in a text of it is escaped, which changes nothing for who parses it.
func JSON(w io.Writer, report any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(report); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for line := range bytes.Lines(b.Bytes()) {
		text := layout.Printable(string(line[:len(line)-1]))
		if _, err := io.WriteString(w, text+"\n"); err != nil {
			return err
		}
	}
	return nil
}
