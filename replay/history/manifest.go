package history

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// The manifests that DynamoDB writes beside the data of an export: of which table it is, and in which files its data is.
const (
	manifestSummary = "manifest-summary.json"
	manifestFiles   = "manifest-files.json"
)

// nameTables gives the sources that a directory holds the tables that its manifests name, for the records of an export don't. A
// manifest speaks of the files that it lists, which an incremental export has in a directory of all exports, and of those below
// its own directory. What two manifests give to two tables has none. A file that one lists and that is not there is an error: an export
// that lacks a part looks like one of fewer writes.
func nameTables(sources []Source, skipped []Skipped) error {
	several := make([]bool, len(sources)) // tables
	known := make(map[string]bool, len(sources))
	for i := range sources {
		known[unpacked(filepath.Base(sources[i].Name))] = true
	}
	for _, s := range skipped {
		if filepath.Base(s.Name) == manifestFiles {
			if err := eachListed(s.Name, func(line int, file string) error {
				if !known[unpacked(file)] {
					return fmt.Errorf("%s:%d lists %s, which is not there: get it, or name the files that are", s.Name, line, file)
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	for _, s := range skipped {
		if filepath.Base(s.Name) != manifestSummary {
			continue
		}
		dir := filepath.Dir(s.Name)
		table := tableOfManifest(s.Name)
		if table == "" {
			continue
		}
		listed := make(map[string]bool)
		_ = eachListed(filepath.Join(dir, manifestFiles), func(_ int, file string) error {
			listed[unpacked(file)] = true
			return nil
		})
		for i := range sources {
			src := &sources[i]
			if !listed[unpacked(filepath.Base(src.Name))] && !strings.HasPrefix(src.Name, dir+string(filepath.Separator)) {
				continue
			}
			several[i] = several[i] || src.Table != "" && src.Table != table
			if src.Table = table; several[i] {
				src.Table = ""
			}
		}
	}
	return nil
}

// unpacked returns the name that a file has once it is unpacked.
func unpacked(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
}

// tableOfManifest returns the table of an export, "" when the file does not tell it.
func tableOfManifest(name string) (table string) {
	const most = 1 << 20
	file, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil || len(text) > most {
		return ""
	}
	var doc value.Doc
	manifest, err := doc.Parse(text, value.Limits{})
	if err != nil {
		return ""
	}
	return cmp.Or(arnTable(textOf(manifest.Get("tableArn"))), arnTable(textOf(manifest.Get("exportArn"))))
}

// eachListed calls visit with each file that a list of an export names, and its line, until that returns an error. What is no such list
// has none.
func eachListed(name string, visit func(line int, file string) error) error {
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer file.Close()
	var doc value.Doc
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		entry, err := doc.Parse(lines.Bytes(), value.Limits{})
		if err != nil {
			continue
		}
		if name := textOf(entry.Get("dataFileS3Key")); name != "" {
			if err := visit(n, path.Base(name)); err != nil {
				return err
			}
		}
	}
	return nil
}
