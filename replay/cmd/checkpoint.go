package cmd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/replay"
)

// checkCheckpoint refuses a directory for what was read that lies in one that is read: there it would be read as a history
// the next time. One that is hidden isn't.
func (in *input) checkCheckpoint() error {
	if in.checkpoint == "" {
		return nil
	}
	dir, err := filepath.Abs(in.checkpoint)
	if err != nil {
		return fmt.Errorf("-checkpoint: %w", err)
	}
	names := slices.Clone(in.names)
	for _, r := range in.regions {
		names = append(names, r.name)
	}
	for _, name := range names {
		if name == "-" {
			continue
		}
		around, err := filepath.Abs(name)
		if err != nil {
			return fmt.Errorf("-checkpoint: %w", err)
		}
		rest, err := filepath.Rel(around, dir)
		if err != nil || rest == ".." || strings.HasPrefix(rest, ".."+string(filepath.Separator)) {
			continue
		}
		hidden := slices.ContainsFunc(strings.Split(rest, string(filepath.Separator)), func(part string) bool { return part != "." && strings.HasPrefix(part, ".") })
		if !hidden {
			return hinted{fmt.Errorf("-checkpoint %s lies in %s, which is read", in.checkpoint, name), "name a directory beside it, or one whose name begins with a dot"}
		}
	}
	return nil
}

// interrupted says that reading was interrupted, if it was: what is not written because of that, and how to go on.
func (c *command) interrupted(in *input, h *replay.History, outputs ...string) bool {
	if !h.Partial() {
		return false
	}
	inputs := h.Inputs()
	whole := 0
	for _, i := range inputs {
		if i.Unread == "" {
			whole++
		}
	}
	outputs = slices.DeleteFunc(outputs, func(name string) bool { return name == "" })
	for _, name := range outputs {
		c.note("%s is not written: it would be of a part", name)
	}
	hint := "-checkpoint DIR keeps what is read, for the next time"
	if in.checkpoint != "" {
		words := []string{"tiebreak"}
		for _, w := range c.args {
			words = append(words, quoted(w))
		}
		hint = "go on with: " + strings.Join(words, " ")
	}
	c.say(hinted{fmt.Errorf("interrupted: %d of %d inputs were read whole", whole, len(inputs)), hint})
	return true
}
