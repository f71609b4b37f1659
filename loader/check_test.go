package loader

import (
	"bytes"
	"context"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/parquet-go/parquet-go"
)

// Rows of files that are wrong, null where a pointer is nil.
type (
	checkedPair struct {
		Left  *string  `parquet:"left,optional"`
		Right *string  `parquet:"right,optional"`
		Label *float64 `parquet:"label,optional"`
		Split string   `parquet:"split"`
		Kind  string   `parquet:"kind"`
		Group *string  `parquet:"group,optional"`
	}
	checkedText struct {
		ID   string `parquet:"id"`
		Text string `parquet:"text"`
	}
	checkedVector struct {
		ID        string    `parquet:"id"`
		Embedding []float32 `parquet:"embedding,list"`
	}
)

func parquetOf[T any](t testing.TB, rows []T) *fstest.MapFile {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](io.Writer(&b))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

// checkedFolder is a folder with nothing wrong, for tests to change: four pairs
// of training, two of validation and of test.
type checkedFolder struct {
	pairs   []checkedPair
	texts   []checkedText
	vectors []checkedVector
}

func newCheckedFolder() *checkedFolder {
	f := &checkedFolder{}
	for i, split := range []string{"train", "train", "train", "train", "validation", "validation", "test", "test"} {
		left, right := "question "+string(rune('a'+i)), "answer "+string(rune('a'+i))
		f.pairs = append(f.pairs, checkedPair{new(TextID(left)), new(TextID(right)), new(float64(i % 2)), split, "given", new(left)})
		for _, text := range []string{left, right} {
			f.texts = append(f.texts, checkedText{TextID(text), text})
			f.vectors = append(f.vectors, checkedVector{TextID(text), []float32{1, 2, float32(i)}})
		}
	}
	return f
}

func (f *checkedFolder) findings(t *testing.T, opts Options) []string {
	t.Helper()
	fsys := fstest.MapFS{"pairs.parquet": parquetOf(t, f.pairs)}
	if f.texts != nil {
		fsys["texts.parquet"] = parquetOf(t, f.texts)
	}
	if f.vectors != nil {
		fsys["embeddings/m/manifest.json"] = &fstest.MapFile{Data: []byte(`{"schema_version": 1, "model": "m", "dimensions": 3}`)}
		fsys["embeddings/m/0000.parquet"] = parquetOf(t, f.vectors)
	}
	found, err := CheckFS(context.Background(), fsys, "set", opts)
	if err != nil {
		t.Fatal(err)
	}
	return sentences(found)
}

func sentences(found Findings) (out []string) {
	for _, f := range found {
		kind := "warning: "
		if f.Breaks {
			kind = "error: "
		}
		out = append(out, kind+f.Text)
	}
	return out
}

func TestCheckFolder(t *testing.T) {
	a := TextID("question a")
	for name, c := range map[string]struct {
		change func(f *checkedFolder)
		want   []string
	}{
		"nothing":       {func(*checkedFolder) {}, nil},
		"just prepared": {func(f *checkedFolder) { f.vectors = nil }, nil},
		"null ids":      {func(f *checkedFolder) { f.pairs[1].Left, f.pairs[2].Right = nil, nil }, []string{"error: pairs without a text id on one side: 2, such as row 1, row 2"}},
		"no labels":     {func(f *checkedFolder) { f.pairs[1].Label, *f.pairs[2].Label = nil, math.NaN() }, []string{"error: labels that are no numbers: 2, such as row 1, row 2"}},
		"labels outside": {func(f *checkedFolder) { *f.pairs[1].Label, *f.pairs[2].Label = 5, -3 },
			[]string{"error: labels outside of their scale -1..1, which --label-range sets: 2, such as 5 in row 1, -3 in row 2"}},
		"names": {func(f *checkedFolder) { f.pairs[1].Split, f.pairs[2].Kind, f.pairs[3].Group = "fold1", "easy", nil }, []string{
			"error: groups that are null: 1, such as row 3",
			`error: splits that are none of train, validation, test: 1, such as "fold1" in row 1`,
			`error: kinds that are none of given, positive, weak, hard: 1, such as "easy" in row 2`}},
		"texts": {func(f *checkedFolder) {
			f.texts[0].Text, f.texts[1].Text, f.texts[2].Text = "another", " \n", "\xff"
			f.texts = append(f.texts, f.texts[5])
		}, []string{
			"warning: texts that come again in texts.parquet: 1, such as row 16",
			"error: ids that are not those of their texts in texts.parquet: 1, such as row 0",
			"error: empty texts in texts.parquet: 1, such as row 1",
			"error: texts that are not UTF-8 in texts.parquet: 1, such as row 2"}},
		"unknown text":         {func(f *checkedFolder) { f.texts = f.texts[1:] }, []string{"error: texts of pairs that are not in texts.parquet: 1, such as " + a}},
		"no texts":             {func(f *checkedFolder) { f.texts, f.vectors = nil, nil }, []string{"error: there is no texts.parquet, so that the texts can be neither embedded nor shown"}},
		"no texts but vectors": {func(f *checkedFolder) { f.texts = nil }, []string{"warning: there is no texts.parquet, so that the texts can be neither embedded nor shown"}},
		"pairs": {func(f *checkedFolder) {
			again, other, self := f.pairs[0], f.pairs[0], f.pairs[1]
			other.Label, self.Right = new(1.0), self.Left
			f.pairs = append(f.pairs, again, other, again, self)
		}, []string{
			"warning: pairs that come again with the same label: 2, such as row 8, row 10",
			"warning: pairs that come again with another label: 1, such as row 9",
			"warning: pairs with the same text on both sides: 1, such as row 11"}},
		"splits": {func(f *checkedFolder) {
			*f.pairs[4].Label, *f.pairs[7].Label = 1, 0
			for i := range 4 {
				f.pairs[i].Split = "test"
			}
		}, []string{
			"error: there are no training pairs",
			"error: all 2 pairs of the validation split are similar, and both kinds are needed"}},
		"similar alone": {func(f *checkedFolder) {
			for i := range f.pairs {
				*f.pairs[i].Label = 1
			}
		}, []string{
			"warning: all 4 pairs of the train split are similar, as all others are: the default recipe and closed forms learn from such, most other losses do not",
			"warning: all 2 pairs of the validation split are similar, as all others are: the default recipe and closed forms learn from such, most other losses do not",
			"warning: all 2 pairs of the test split are similar, as all others are: the default recipe and closed forms learn from such, most other losses do not"}},
		"one kind in test": {func(f *checkedFolder) { *f.pairs[7].Label = 0 }, []string{"warning: all 2 pairs of the test split are dissimilar, and both kinds are needed"}},
		"leaks": {func(f *checkedFolder) {
			f.pairs[6].Group, f.pairs[7].Right, f.pairs[4].Right = f.pairs[0].Group, f.pairs[0].Right, f.pairs[6].Left
		}, []string{
			`warning: train and test share 1 group, such as "question a", and 1 text, such as "answer a": 2 of the 2 test pairs`,
			`warning: validation and test share 1 text, such as "question g": 1 of the 2 test pairs`}},
		"almost": {func(f *checkedFolder) {
			text := "Question  A?"
			f.texts = append(f.texts, checkedText{TextID(text), text})
			f.vectors = append(f.vectors, checkedVector{TextID(text), []float32{1, 2, 3}})
			f.pairs[6].Left = new(TextID(text))
		}, []string{`warning: texts of different splits that are almost the same: 1 pairs of them, such as "question a" and "Question  A?"`}},
		"vectors": {func(f *checkedFolder) {
			f.vectors[1].Embedding = []float32{1, 2}
			f.vectors[2].Embedding = []float32{1, float32(math.NaN()), 2}
			f.vectors[3].Embedding = []float32{1, float32(math.Inf(1)), 2}
			f.vectors[4].Embedding = []float32{0, 0, 0}
			f.vectors[5].Embedding = nil
			f.vectors = f.vectors[1:]
		}, []string{
			"error: vectors of another length than 3 in embeddings/m/0000.parquet: 1, such as 2 in row 0",
			"error: vectors with a number that is NaN or infinite in embeddings/m/0000.parquet: 2, such as row 1, row 2",
			"error: vectors that are all zeros, which has no direction, in embeddings/m/0000.parquet: 1, such as row 3",
			"error: vectors that are null or empty in embeddings/m/0000.parquet: 1, such as row 4",
			"error: texts of pairs without a vector in embeddings/m: 1, such as " + a}},
		"two models": {func(f *checkedFolder) { f.vectors = append(f.vectors, checkedVector{a, []float32{-1, 2, 3}}) },
			[]string{"error: set/embeddings/m/0000.parquet: row 16: embedding is another vector than an earlier row has for the same text (their cosine is 0.36): are vectors of two models mixed? Embed all texts with one"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newCheckedFolder()
			c.change(f)
			if got := f.findings(t, Options{}); !slices.Equal(got, c.want) {
				t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestCheckAgreesWithOpening: whatever cannot be opened has an error, on every
// folder and file that the tests of opening have.
func TestCheckAgreesWithOpening(t *testing.T) {
	for _, name := range []string{"null_left", "unknown_kind", "range_exceeded"} {
		fsys := folderFS(t)
		fsys["pairs.parquet"] = file(t, "testdata/pairs/"+name+".parquet")
		found, err := CheckFS(context.Background(), fsys, "set", Options{Embeddings: "alpha"})
		if err != nil || !found.Break() {
			t.Errorf("%s: %q, %v", name, sentences(found), err)
		}
	}
	for path, want := range map[string]string{
		"testdata/good/float_plain.parquet":    "",
		"testdata/wrong/torn_group.parquet":    "",
		"testdata/wrong/unknown_split.parquet": `error: splits that are none of train, validation, test: 1, such as "fold1" in row 9`,
		"testdata/wrong/null_group.parquet":    "error: groups that are null: 1, such as row 4",
	} {
		found, err := Check(context.Background(), path, Options{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		errors := slices.DeleteFunc(sentences(found), func(s string) bool { return strings.HasPrefix(s, "warning: ") })
		if got := strings.Join(errors, "; "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// FuzzCheck: a damaged file ends in a sentence or a finding.
func FuzzCheck(f *testing.F) {
	pairs, texts := parquetOf(f, newCheckedFolder().pairs).Data, parquetOf(f, newCheckedFolder().texts).Data
	f.Add(pairs, texts, uint32(0), byte(0))
	f.Add(pairs[:len(pairs)/2], texts, uint32(10), byte(7))
	f.Fuzz(func(t *testing.T, pairs, texts []byte, at uint32, flip byte) {
		if len(pairs) > 1<<16 || len(texts) > 1<<16 {
			return
		}
		if damaged := slices.Clone(pairs); len(damaged) > 0 {
			damaged[at%uint32(len(damaged))] ^= flip
			pairs = damaged
		}
		fsys := fstest.MapFS{"pairs.parquet": {Data: pairs}, "texts.parquet": {Data: texts}}
		found, err := CheckFS(context.Background(), fsys, "set", Options{})
		if err == nil && !found.Break() {
			d, err := OpenFS(context.Background(), fsys, "set", Options{PairsOnly: true})
			if err != nil {
				t.Fatalf("nothing that breaks was found, but it cannot be opened: %v", err)
			}
			d.Close()
		}
	})
}
