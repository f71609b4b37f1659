package benchmarks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// Save writes MACHINE-DATE.json and its chart into a folder and returns their
// names. Where the file is there, the rows of other benchmarks stay, provided
// that the same version measured them on the same machine.
func (r Result) Save(dir string) (files []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	base := filepath.Join(dir, r.Machine.slug()+"-"+r.Machine.Date)
	before, err := read(base + ".json")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		r = r.over(before)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{base + ".json", r.writeJSON}, {base + ".svg", r.Chart}} {
		if err := atomicfile.Write(f.name, f.write); err != nil {
			return files, err
		}
		files = append(files, f.name)
	}
	return files, nil
}

func (r Result) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(r)
}

func read(path string) (r Result, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: not results of cosfit bench: %w", path, err)
	}
	return r, nil
}

// over adds what was measured before, of other benchmarks.
func (r Result) over(before Result) Result {
	a, b := before.Machine, r.Machine
	if a.Version != b.Version || a.Kernel != b.Kernel || a.CPU != b.CPU || a.GPU != b.GPU || a.Go != b.Go {
		return r
	}
	own := map[string]bool{Machine: true} // the later ceiling counts
	for _, row := range r.Rows {
		own[row.Benchmark] = true
	}
	merged := r
	merged.Rows, merged.Notes = slices.Clone(r.Rows), slices.Clone(r.Notes)
	for _, row := range before.Rows {
		if !own[row.Benchmark] {
			merged.Rows = append(merged.Rows, row)
		}
	}
	for _, n := range before.Notes {
		if !slices.Contains(merged.Notes, n) {
			merged.Notes = append(merged.Notes, n)
		}
	}
	merged.Machine.Peers = slices.Clone(b.Peers)
	for _, p := range a.Peers {
		same := func(q Peer) bool { return p.Who == q.Who && p.With == q.With }
		if !slices.ContainsFunc(b.Peers, same) {
			merged.Machine.Peers = append(merged.Machine.Peers, p)
		}
	}
	if !strings.Contains(a.Command, b.Command) {
		merged.Machine.Command = a.Command + "; " + b.Command
	}
	return merged
}

// slug is a file name for the machine: its GPU, or its processor and how many
// there are.
func (h Host) slug() string {
	name := h.CPU
	if h.GPU != "" {
		name, _, _ = strings.Cut(h.GPU, ",")
	}
	var words []string
	for word := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		words = append(words, word)
	}
	if len(words) == 0 {
		words = []string{h.Arch}
	}
	if h.GPU != "" {
		return strings.Join(words, "-")
	}
	return fmt.Sprintf("%s-%d", strings.Join(words, "-"), h.Cores)
}
