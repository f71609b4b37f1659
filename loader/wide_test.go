package loader

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/parquet-go/parquet-go"
)

// Each file of testdata/good holds the same pairs, in another way of storing
// them.
func TestEveryWideFile(t *testing.T) {
	names, err := filepath.Glob("testdata/good/*.parquet")
	if err != nil || len(names) < 30 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	fingerprints := map[int]string{}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			dim := fixtureDim
			if strings.HasSuffix(name, "_long.parquet") {
				dim = fixtureLong
			}
			d := mustOpen(t, name, Options{})
			checkPairs(t, d, dim)
			if d.Name != name || d.Embeddings != "" {
				t.Errorf("name %q, embeddings %q", d.Name, d.Embeddings)
			}
			if fingerprints[dim] == "" {
				fingerprints[dim] = fingerprint(t, d)
			}
			if fingerprint(t, d) != fingerprints[dim] {
				t.Error("another fingerprint than that of the same pairs in another file")
			}
		})
	}
}

// checkPairs compares a data set with the formulas of testdata/make.py.
func checkPairs(t *testing.T, d *Dataset, dim int) {
	t.Helper()
	if d.Pairs.Len() != fixtureRows || d.Vectors.Dim != dim || d.Vectors.Rows() != 8+12 {
		t.Fatalf("%d pairs, %d dimensions, %d vectors", d.Pairs.Len(), d.Vectors.Dim, d.Vectors.Rows())
	}
	if want := (LabelRange{Min: 0, Max: 1}); d.Labels != want {
		t.Errorf("label range %+v, want %+v", d.Labels, want)
	}
	p := &d.Pairs
	for row := range fixtureRows {
		checkVectorOf(t, d, p.Left[row], fixtureQuestion(row), fixtureVector(row/3, dim))
		checkVectorOf(t, d, p.Right[row], fixtureAnswer(row), fixtureVector(100+5*row%12, dim))
		if p.Label[row] != fixtureLabel(row) {
			t.Errorf("row %d: label %v", row, p.Label[row])
		}
		if p.Groups[p.Group[row]] != TextID(fixtureQuestion(row)) || p.Group[row] != int32(row/3) {
			t.Errorf("row %d: group %d %q", row, p.Group[row], p.Groups[p.Group[row]])
		}
	}
}

func checkVectorOf(t *testing.T, d *Dataset, i int32, text string, v []float32) {
	t.Helper()
	if d.Vectors.IDs[i] != TextID(text) {
		t.Errorf("id %s, want that of %q", d.Vectors.IDs[i], text)
	}
	if got := vector(t, d.Vectors, i); !slices.Equal(got, v) {
		t.Errorf("%s: vector %v, want %v", text, got, v)
	}
}

// The fixtures that are to have several row groups and pages do.
func TestPagesOfFixtures(t *testing.T) {
	for _, c := range []struct {
		name               string
		groups, pages, cut int // cut: pages that begin inside of a list
	}{
		{"double_pages_v1", 3, 13, 0},
		{"double_pages_v2", 3, 13, 0},
		{"half_pages_v2", 3, 5, 0},
		{"dictionary_pages_v1_long", 3, 7, 0},
		{"dictionary_pages_v2_long", 3, 7, 0},
		{"bytes_pages_v1", 3, 7, 0},
		{"cut_inside_rows", 1, 20, 15},
	} {
		f, err := openParquet(os.DirFS("testdata/good"), c.name+".parquet", c.name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.close()
		pages, cut := 0, 0
		err = f.read(DefaultColumns().Left, func(leaf *parquet.Column) error {
			return f.pages(leaf, func(page parquet.Page) error {
				pages++
				if levels := page.RepetitionLevels(); len(levels) > 0 && levels[0] != 0 {
					cut++
				}
				return nil
			})
		})
		if err != nil || len(f.RowGroups()) != c.groups || pages != c.pages || cut != c.cut {
			t.Errorf("%s: %d groups, %d pages, %d of them cut, %v; want %+v", c.name, len(f.RowGroups()), pages, cut, err, c)
		}
	}
}

func TestWideColumns(t *testing.T) {
	d := mustOpen(t, "testdata/columns.parquet", Options{Columns: Columns{
		Left: "a", Right: "b", Label: "similar", LeftText: "text a", RightText: "text b", Group: "topic", Split: "part", Kind: "how",
	}})
	p := &d.Pairs
	for row := range fixtureRows {
		checkVectorOf(t, d, p.Left[row], fixtureQuestion(row), fixtureVector(row/3, fixtureDim))
		if want := []Split{Train, Validation, Test}[row/8]; p.Split[row] != want {
			t.Errorf("row %d: split %v, want %v", row, p.Split[row], want)
		}
		if want := []Kind{Positive, Weak, Hard, Given}[row%4]; p.Kind[row] != want {
			t.Errorf("row %d: kind %v, want %v", row, p.Kind[row], want)
		}
		if got, want := p.Groups[p.Group[row]], fmt.Sprint(row/4); got != want {
			t.Errorf("row %d: group %q, want %q", row, got, want)
		}
	}
}

// The label range of the call goes before the file's.
func TestGivenLabelRange(t *testing.T) {
	d := mustOpen(t, "testdata/columns.parquet", Options{LabelRange: "0..2", Columns: Columns{
		Left: "a", Right: "b", Label: "similar", Group: "topic", Split: "part", Kind: NoColumn,
	}})
	for row := range fixtureRows {
		if got, want := d.Pairs.Label[row], fixtureLabel(row)/2; got != want {
			t.Fatalf("row %d: label %v, want %v", row, got, want)
		}
	}
	_, err := Open(context.Background(), "testdata/columns.parquet", Options{LabelRange: "5", Columns: Columns{Left: "a", Right: "b", Label: "similar"}})
	wantError(t, err, `testdata/columns.parquet: the label range is "5", want two numbers, the lower one first, such as 0..5`)
}

// A column of a default name that means something else is left out by "-".
func TestNoColumn(t *testing.T) {
	d := mustOpen(t, "testdata/wrong/unknown_split.parquet", Options{Columns: Columns{Split: NoColumn}, LabelRange: "0:1"})
	if d.SplitGiven || len(d.Indices(Test)) == 0 {
		t.Errorf("split given %v, want one drawn", d.SplitGiven)
	}
}

// An unknown name is an error that shows the way out.
func TestUnknownNames(t *testing.T) {
	const file = "testdata/columns.parquet"
	for want, columns := range map[string]Columns{
		`row 0: how is "positive", want one of train, validation, test, or leave the column out with --split-column -`:  {Split: "how"},
		`row 0: part is "train", want one of given, positive, weak, hard, or leave the column out with --kind-column -`: {Kind: "part"},
	} {
		columns.Left, columns.Right, columns.Label = "a", "b", "similar"
		_, err := Open(context.Background(), file, Options{Columns: columns})
		wantError(t, err, file+": "+want)
	}
}

// Without texts a vector stands for itself; with them, text and vector do, and
// a text that comes again in a column brings nothing new.
func TestUniqueVectors(t *testing.T) {
	v, w := []float32{1, 2}, []float32{3, 4}
	again := []float32{1.01, 2} // v, as an API may answer the next time
	type entry struct {
		v    []float32
		text string
	}
	bare := func(v []float32) string { return digestOf(v, "").String() }
	for name, c := range map[string]struct {
		left, right []entry
		want        []int32 // of left, then of right
		ids         []string
	}{
		"no texts":               {[]entry{{v, ""}, {w, ""}, {v, ""}}, []entry{{w, ""}}, []int32{0, 1, 0, 1}, []string{bare(v), bare(w)}},
		"texts":                  {[]entry{{v, "v"}, {w, "w"}, {v, "v"}}, []entry{{w, "w"}}, []int32{0, 1, 0, 1}, []string{TextID("v"), TextID("w")}},
		"a vector of two texts":  {[]entry{{v, "v"}, {v, "w"}}, nil, []int32{0, 1}, []string{TextID("v"), TextID("w")}},
		"nearly the same vector": {[]entry{{v, "v"}, {again, "v"}, {w, "w"}}, nil, []int32{0, 0, 1}, []string{TextID("v"), TextID("w")}},
		"embedded for each side": {[]entry{{v, "v"}}, []entry{{w, "v"}, {w, "v"}}, []int32{0, 1, 1}, []string{TextID("v"), TextID("v")}},
	} {
		table := &Table{Dim: 2}
		b := &tableBuilder{store: newVectorStore(table, Options{}), rows: map[digest]int32{}}
		var got []int32
		for _, entries := range [][]entry{c.left, c.right} {
			side := sideReader{tableBuilder: b, texts: map[string]int32{}}
			for _, e := range entries {
				id := ""
				if e.text != "" {
					id = TextID(e.text)
				}
				side.ids = append(side.ids, id)
			}
			for row, e := range entries {
				if err := side.add(row, e.v); err != nil {
					t.Fatal(name, err)
				}
			}
			got = append(got, side.rows...)
		}
		if !slices.Equal(got, c.want) || !slices.Equal(table.IDs, c.ids) {
			t.Errorf("%s: rows %v of %v, want %v of %v", name, got, table.IDs, c.want, c.ids)
		}
	}
	// printf abc | sha256sum | cut -c -32
	if got, want := TextID("abc"), "ba7816bf8f01cfea414140de5dae2223"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

// A name that is nearly right is found; one that is another thing is not.
func TestGuess(t *testing.T) {
	f := &parquetFile{name: "x"}
	for wanted, c := range map[string]struct {
		has  []string
		want string
	}{
		"label":                 {[]string{"labels", "left"}, `; perhaps "labels" is meant`},
		"question_text_EMB":     {[]string{"question_text", "question_EMB"}, `; perhaps "question_EMB" is meant`},
		"candidate_answers_EMB": {[]string{"question_text_EMB", "Candidate_Answer_Emb"}, `; perhaps "Candidate_Answer_Emb" is meant`},
		"split":                 {[]string{"a", "b"}, ""},
		"group":                 {[]string{"question_text"}, ""},
	} {
		group := parquet.Group{}
		for _, name := range c.has {
			group[name] = parquet.Leaf(parquet.FloatType)
		}
		var out bytes.Buffer
		if err := parquet.NewWriter(&out, parquet.NewSchema("x", group)).Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if f.File, err = parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len())); err != nil {
			t.Fatal(err)
		}
		if got := f.guess(wanted); got != c.want {
			t.Errorf("%s among %v: %q, want %q", wanted, c.has, got, c.want)
		}
	}
}

func TestWrongWideFiles(t *testing.T) {
	const (
		remedy = ": embed the text again or drop the row"
		labels = ": give their scale with --label-range, such as 0..5"
		inside = "row 5: question_text_EMB has a null among its values, want finite numbers" + remedy
		absent = "row 5: question_text_EMB is null or empty, want a vector" + remedy
	)
	sentences := map[string]string{
		"no_label": `no column "label" for the labels (choose one with --label-column); the file has: question_text, candidate_answers, question_text_EMB, candidate_answers_EMB`,
		"no_left":  `no column "question_text_EMB" for the left vectors (choose one with --left-column); the file has: question_text, candidate_answers, label, candidate_answers_EMB`,
		"no_right": `no column "candidate_answers_EMB" for the right vectors (choose one with --right-column); the file has: question_text, candidate_answers, label, question_text_EMB, passage vector`,

		"shorter":       "row 5: candidate_answers_EMB has 3 values, row 0 has 4: all vectors need the same length",
		"longer_left":   "row 23: question_text_EMB has 7 values, row 0 has 4: all vectors need the same length",
		"shorter_right": "row 0: candidate_answers_EMB has 3 values, question_text_EMB has 4: both columns need the same length, but for cosfit train --side query",

		"nan":       "row 5: question_text_EMB has NaN at position 2, want finite numbers" + remedy,
		"bytes_nan": "row 5: question_text_EMB has NaN at position 2, want finite numbers" + remedy,
		"infinite":  "row 5: question_text_EMB has -Inf at position 2, want finite numbers" + remedy,
		"too_large": "row 5: question_text_EMB has +Inf at position 2, want finite numbers" + remedy,
		"zeros":     "row 7: candidate_answers_EMB is all zeros, which has no direction" + remedy,

		"null_vector":     absent,
		"null_required":   absent,
		"null_bytes":      absent,
		"empty_vector":    absent,
		"null_inside":     inside,
		"null_alone":      inside,
		"null_inside_cut": inside,

		"null_label":     "row 5: label is null, want a number: fill it in or drop the row",
		"nan_label":      "row 5: the label is NaN, want 0..1 or -1..1" + labels,
		"large_label":    "row 5: the label is 7, want 0..1 or -1..1" + labels,
		"negative_label": "row 5: the label is -2, want 0..1 or -1..1" + labels,
		"text_label":     `row 7: label is "perhaps", want a number, or a word such as yes or no`,
		"list_label":     `column "label" holds lists, want one value in each row`,

		"scalars":   `column "question_text_EMB" holds one value of type DOUBLE in each row, want a list of numbers`,
		"texts":     `column "question_text_EMB" holds one value of type STRING in each row, want a list of numbers`,
		"binary":    `column "question_text_EMB" holds one value of type BYTE_ARRAY in each row, want a list of numbers`,
		"odd_bytes": `column "question_text_EMB" holds one value of type FIXED_LEN_BYTE_ARRAY(5) in each row, want a list of numbers`,
		"uuids":     `column "question_text_EMB" holds one value of type UUID in each row, want a list of numbers`,
		"structs":   `column "question_text_EMB" holds structs or maps, want a number, a text or a list of numbers`,
		"boxes":     `column "question_text_EMB" holds structs or maps, want a number, a text or a list of numbers`,
		"matrices":  `column "question_text_EMB" holds lists of lists, want a list of numbers`,
		"integers":  `column "question_text_EMB" holds lists of type INT32, want lists of float, double or float16`,
		"decimals":  `column "question_text_EMB" holds lists of type DECIMAL(38,2), want lists of float, double or float16`,

		"fewer_rows":     `column "label" is damaged: it has 24 rows, the file says 2147483647`,
		"more_rows":      `column "label" is damaged: it has 24 rows, the file says 23`,
		"no_rows":        "no rows, want one for each pair",
		"no_rows_pandas": "no rows, want one for each pair",

		"torn_group":    `train and test share 1 group, such as "g5", and 12 texts, such as ` + TextID(fixtureQuestion(11)) + `: 12 of the 13 test pairs: mend it with cosfit data check --fix-leakage, or leave out --strict`,
		"unknown_split": `row 9: split is "fold1", want one of train, validation, test, or leave the column out with --split-column -`,
		"null_group":    "row 4: group is null, want a text",
	}
	files, err := filepath.Glob("testdata/wrong/*.parquet")
	if err != nil || len(files) != len(sentences) {
		t.Errorf("%d files and %d sentences, %v", len(files), len(sentences), err)
	}
	for name, want := range sentences {
		t.Run(name, func(t *testing.T) {
			path := "testdata/wrong/" + name + ".parquet"
			d, err := Open(context.Background(), path, Options{Strict: true})
			wantError(t, err, path+": "+want)
			if d != nil {
				t.Error("a data set beside the error")
			}
		})
	}
}

func TestWrongColumnNames(t *testing.T) {
	const file = "testdata/good/float_plain.parquet"
	const has = "; the file has: question_text, candidate_answers, label, question_text_EMB, candidate_answers_EMB"
	for _, c := range []struct {
		columns Columns
		want    string
	}{
		{Columns{Left: "x"}, `no column "x" for the left vectors (choose one with --left-column)`},
		{Columns{Right: "x.list.element"}, `no column "x.list.element" for the right vectors (choose one with --right-column)`},
		{Columns{Label: "x"}, `no column "x" for the labels (choose one with --label-column)`},
		{Columns{LeftText: "x"}, `no column "x", which --left-text-column names`},
		{Columns{RightText: "x"}, `no column "x", which --right-text-column names`},
		{Columns{Group: "x"}, `no column "x", which --group-column names`},
		{Columns{Split: "x"}, `no column "x", which --split-column names`},
		{Columns{Kind: "x"}, `no column "x", which --kind-column names`},
	} {
		_, err := Open(context.Background(), file, Options{Columns: c.columns})
		wantError(t, err, file+": "+c.want+has)
	}
}

func TestWideCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, "testdata/good/pandas.parquet", Options{}); err != context.Canceled {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// Whatever the bytes are, reading them ends with a data set that holds
// together or with an error.
func FuzzWide(f *testing.F) {
	for _, name := range []string{
		"good/bytes_plain", "good/float_pages_v2", "good/double_split", "good/half_split", "good/cut_inside_rows",
		"good/bytes_dictionary", "good/dictionary_pages_v1_long", "good/delta", "good/pandas", "good/pandas_numpy_zstd",
		"good/label_bool", "good/list_view", "good/large_list", "good/fixed_size_list", "wrong/null_inside_cut", "wrong/shorter_right",
	} {
		data, err := os.ReadFile("testdata/" + name + ".parquet")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := openBytes(data); err == nil {
			checkWhole(t, d)
		}
	})
}

func openBytes(data []byte) (*Dataset, error) {
	f, err := openParquet(fstest.MapFS{"x": {Data: data}}, "x", "x")
	if err != nil {
		return nil, err
	}
	return readWide(context.Background(), f, Options{UnequalSides: true}) // which takes all that is taken without
}

// checkWhole demands what every data set promises.
func checkWhole(t *testing.T, d *Dataset) {
	t.Helper()
	p, n := &d.Pairs, d.Pairs.Len()
	for _, length := range []int{len(p.Left), len(p.Right), len(p.Split), len(p.Group), len(p.Kind)} {
		if length != n || n == 0 {
			t.Fatalf("a column of %d for %d pairs", length, n)
		}
	}
	if len(d.Vectors.Data) != d.Vectors.Rows()*d.Vectors.Dim {
		t.Fatalf("%d numbers for %d vectors of %d", len(d.Vectors.Data), d.Vectors.Rows(), d.Vectors.Dim)
	}
	for i := range n {
		if max(p.Left[i], p.Right[i]) >= int32(d.Vectors.Rows()) || int(p.Group[i]) >= len(p.Groups) {
			t.Fatalf("pair %d points outside", i)
		}
		if l := float64(p.Label[i]); !(l >= d.Labels.Min && l <= d.Labels.Max) {
			t.Fatalf("label %v outside of %v", l, d.Labels)
		}
	}
	for _, x := range d.Vectors.Data {
		if x-x != 0 {
			t.Fatalf("a vector holds %v", x)
		}
	}
}

// TestUnequalSides: vectors of two models stand in rows of the longer ones, and
// are other data than rows that have the zeros.
func TestUnequalSides(t *testing.T) {
	const short = "testdata/wrong/shorter_right.parquet"
	for _, memory := range []int64{0, 300} { // in memory, and in a scratch file
		opts := Options{UnequalSides: true, Memory: memory, Scratch: t.TempDir()}
		d := mustOpen(t, short, opts)
		if left, right := d.Vectors.Dims(); left != fixtureDim || right != fixtureDim-1 || (d.Vectors.Data == nil) != (memory > 0) {
			t.Errorf("%d and %d dimensions, in memory: %v", left, right, d.Vectors.Data != nil)
		}
		for i := range fixtureRows {
			if got := vector(t, d.Vectors, d.Pairs.Right[i]); got[fixtureDim-1] != 0 || got[0] == 0 && got[1] == 0 {
				t.Errorf("the right vector of pair %d is %v", i, got)
			}
		}
		swapped := opts
		swapped.Columns = Columns{Left: DefaultColumns().Right, Right: DefaultColumns().Left, LeftText: DefaultColumns().RightText, RightText: DefaultColumns().LeftText}
		other := mustOpen(t, short, swapped)
		if left, right := other.Vectors.Dims(); left != fixtureDim-1 || right != fixtureDim {
			t.Errorf("%d and %d dimensions where the columns are swapped", left, right)
		}
		same := *d
		table := *d.Vectors
		table.Sides = [2]int{}
		same.Vectors = &table
		if fingerprint(t, d) == fingerprint(t, &same) {
			t.Error("the sides' dimensions are not in the fingerprint")
		}
	}
	if d := mustOpen(t, "testdata/good/pandas.parquet", Options{UnequalSides: true}); d.Vectors.Sides != [2]int{} {
		t.Errorf("equal sides are of %v dimensions", d.Vectors.Sides)
	}
}

// Within a column, a text has one vector, wherever the first is kept.
func TestTwoModels(t *testing.T) {
	for _, memory := range []int64{0, 1} {
		table := &Table{Dim: 2}
		b := &tableBuilder{store: newVectorStore(table, Options{Memory: memory, Scratch: t.TempDir()}), rows: map[digest]int32{}}
		side := sideReader{tableBuilder: b, file: &parquetFile{name: "x"}, column: "vectors", ids: []string{"a", "b", "a"}, texts: map[string]int32{}}
		for row, v := range [][]float32{{1, 2}, {5, 1}} {
			if err := side.add(row, v); err != nil {
				t.Fatal(err)
			}
		}
		wantError(t, side.add(2, []float32{2, -1}), "x: row 2: vectors is another vector than an earlier row has for the same text (their cosine is 0.00): are vectors of two models mixed? Embed all texts with one")
		if table.scratch != nil {
			table.scratch.close()
		}
	}
}
