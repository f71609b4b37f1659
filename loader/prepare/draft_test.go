package prepare

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/loader"
)

func newDraft(t *testing.T) *Draft {
	d := NewDraft(t.TempDir())
	t.Cleanup(func() { d.Close() })
	return d
}

func add(t *testing.T, d *Draft, pairs ...Pair) {
	t.Helper()
	for i, p := range pairs {
		d.Tally.Rows++
		if err := d.Add(Line("f", int64(i+1)), p); err != nil {
			t.Fatal(err)
		}
	}
}

func readRows[T any](t *testing.T, path string) []T {
	t.Helper()
	rows, err := parquet.ReadFile[T](path)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestWrite writes a draft and reads it back.
func TestWrite(t *testing.T) {
	d := newDraft(t)
	d.LabelRange = "0..5"
	add(t, d,
		Pair{Left: "q1", Right: "p1", Label: 5, Split: "train", Kind: loader.Positive, Source: "doc"},
		Pair{Left: "q1", Right: "q2", Label: 1.5, Split: "train", Group: "own", Kind: loader.Given},
		Pair{Left: "q2", Right: "p1", Label: 0, Split: "test", Kind: loader.Hard},
	)
	extra, err := d.AddPassage("p2", "other doc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddPassage("unused", ""); err != nil {
		t.Fatal(err)
	}
	d.AddNegative(d.Pairs.Left[0], extra, loader.Weak, 0)
	dir := filepath.Join(t.TempDir(), "a", "data")
	if err := d.Write(dir, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	id := loader.TextID
	want := []pairRow{
		{id("q1"), id("p1"), 5, "train", id("q1"), "positive"},
		{id("q1"), id("q2"), 1.5, "train", "own", "given"},
		{id("q2"), id("p1"), 0, "test", id("q2"), "hard"},
		{id("q1"), id("p2"), 0, "train", id("q1"), "weak"},
	}
	if got := readRows[pairRow](t, filepath.Join(dir, "pairs.parquet")); !reflect.DeepEqual(got, want) {
		t.Errorf("pairs %v, want %v", got, want)
	}
	var texts []string
	if err := loader.ReadTexts(os.DirFS(dir), dir, func(x loader.Text) error {
		texts = append(texts, x.Text+" "+x.Role)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"q1 query", "p1 passage", "q2 query", "p2 passage"}; !slices.Equal(texts, want) {
		t.Errorf("texts %q, want %q", texts, want)
	}
	rows := readRows[textRow](t, filepath.Join(dir, "texts.parquet"))
	if rows[1].Source != "doc" || rows[3].Source != "other doc" || rows[0].Source != "" {
		t.Errorf("sources %+v", rows)
	}
}

// TestWriteMany crosses the borders of batches and row groups.
func TestWriteMany(t *testing.T) {
	d := newDraft(t)
	const n = 1<<14 + 300
	for i := range n {
		add(t, d, Pair{Left: fmt.Sprint("left ", i), Right: strings.Repeat("x", i%50) + fmt.Sprint(i), Label: float64(i % 2)})
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := d.Write(dir, WriteOptions{Passages: true}); err != nil {
		t.Fatal(err)
	}
	if rows := readRows[unsplitRow](t, filepath.Join(dir, "pairs.parquet")); len(rows) != n || rows[n-1].Left != loader.TextID(fmt.Sprint("left ", n-1)) {
		t.Errorf("%d pairs, the last is %+v", len(rows), rows[len(rows)-1])
	}
	count := 0
	if err := loader.ReadTexts(os.DirFS(dir), dir, func(loader.Text) error { count++; return nil }); err != nil {
		t.Fatal(err) // which compares each id with its text
	}
	if count != d.Texts() {
		t.Errorf("%d texts, want %d", count, d.Texts())
	}
}

// TestWriteRefuses leaves alone what is no data set.
func TestWriteRefuses(t *testing.T) {
	d := newDraft(t)
	add(t, d, Pair{Left: "a", Right: "b", Label: 1})
	dir := t.TempDir()
	if err := d.Write(dir, WriteOptions{}); err != nil {
		t.Fatal("an empty folder:", err)
	}
	if err := d.Write(dir, WriteOptions{}); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("a data set that stands there: %v", err)
	}
	add(t, d, Pair{Left: "a", Right: "c", Label: 0})
	if err := d.Write(dir, WriteOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if rows := readRows[unsplitRow](t, filepath.Join(dir, "pairs.parquet")); len(rows) != 2 {
		t.Errorf("%d pairs after replacing, want 2", len(rows))
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(other, WriteOptions{Replace: true}); err == nil {
		t.Error("another folder was replaced")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*")); len(left) > 0 {
		t.Errorf("left beside the folder: %v", left)
	}
}

// TestRows: what counts once, twice, or not at all.
func TestRows(t *testing.T) {
	d := newDraft(t)
	d.Tally.Most = 1
	add(t, d,
		Pair{Left: "a", Right: "b", Label: 1},
		Pair{Left: "a", Right: "b", Label: 1},
		Pair{Left: "a", Right: "b", Label: -1},
		Pair{Left: "a", Right: "b", Label: -1},
		Pair{Left: "b", Right: "a", Label: 1},
		Pair{Left: " \t", Right: "a", Label: 1},
		Pair{Left: "a", Right: "\xff", Label: 1},
		Pair{Left: "a", Right: "c", Label: 1, Split: "train"},
		Pair{Left: "a", Right: "c", Label: 1, Split: "dev"},
	)
	if d.Pairs.Len() != 3 || d.Repeated != 2 || d.Contradicted != 1 {
		t.Errorf("%d pairs, %d repeated, %d contradicted", d.Pairs.Len(), d.Repeated, d.Contradicted)
	}
	if d.Tally.Bad != 4 || d.Tally.First[0] != "f: line 6: the left text is empty" || d.Tally.First[1] != "f: line 7: the right text is not UTF-8" {
		t.Errorf("%d bad: %q", d.Tally.Bad, d.Tally.First)
	}
	c, err := d.AddPassage("c", "")
	if err != nil {
		t.Fatal(err)
	}
	d.AddNegative(d.Pairs.Left[0], c, loader.Hard, 0)
	d.AddNegative(d.Pairs.Left[0], c, loader.Hard, 0)
	if d.Pairs.Len() != 4 || d.Pairs.Label[3] != -1 || d.Pairs.Kind[3] != loader.Hard || d.Pairs.Group[3] != d.Pairs.Group[0] {
		t.Errorf("the negative is %+v", d.Pairs)
	}
}

// TestTally: bad rows are borne up to a share.
func TestTally(t *testing.T) {
	for _, c := range []struct {
		name      string
		most      float64
		rows, bad int64
		atOnce    bool
		tooMany   bool
	}{
		{"none are borne", 0, 1000, 1, true, true},
		{"a few", 0.01, 1000, 10, false, false},
		{"one more", 0.01, 1000, 11, false, true},
		{"so many that reading on is no use", 0.01, 5000, 101, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tally := Tally{Most: c.most}
			var err error
			for i := range c.rows {
				tally.Rows++
				if i < c.bad && err == nil {
					err = tally.Reject(Line("f", i+1), errors.New("no good"))
				}
			}
			if (err != nil) != c.atOnce {
				t.Errorf("while reading: %v", err)
			}
			if err == nil {
				err = tally.End()
			}
			var many *TooManyBadError
			if errors.As(err, &many) != c.tooMany {
				t.Fatalf("%v", err)
			}
			if c.tooMany && !strings.Contains(err.Error(), "f: line 1: no good") {
				t.Errorf("%v names no line", err)
			}
		})
	}
}
