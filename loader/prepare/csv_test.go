package prepare

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// readRecords reads CSV up to the first record that is no good.
func readRecords(t testing.TB, text string) (rows [][]string, err error) {
	t.Helper()
	l, err := openLines(context.Background(), writeFile(t, t.TempDir(), "a.csv", text))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	r := records{lines: l, comma: []byte{','}, quotes: true}
	for {
		fields, err := r.next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, slices.Clone(fields))
	}
}

// TestCSVAgainstPython: rows are those of Python's csv module, which is strict,
// and of pandas where that reads the same.
func TestCSVAgainstPython(t *testing.T) {
	raw, err := os.ReadFile("testdata/csv.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text   string
		Rows   [][]string
		Error  *string
		Pandas [][]*string
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	refused, pandas := 0, 0
	for _, c := range cases {
		rows, err := readRecords(t, c.Text)
		if len(rows)+len(c.Rows) > 0 && !reflect.DeepEqual(rows, c.Rows) || (err != nil) != (c.Error != nil) {
			t.Errorf("%q: %q, %v; Python says %q", c.Text, rows, err, c.Rows)
		}
		if err != nil {
			refused++
			continue
		}
		if c.Pandas == nil || slices.ContainsFunc(rows, func(row []string) bool { return len(row) != len(rows[0]) }) {
			continue
		}
		pandas++
		var want [][]string
		for _, row := range c.Pandas {
			var fields []string
			for _, f := range row {
				if f != nil {
					fields = append(fields, strings.ReplaceAll(*f, "\r\n", "\n"))
				}
			}
			want = append(want, fields)
		}
		for _, row := range rows {
			for i := range row {
				row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
			}
		}
		if !reflect.DeepEqual(rows, want) {
			t.Errorf("%q: %q; pandas says %q", c.Text, rows, want)
		}
	}
	t.Logf("%d texts, %d of them refused, %d compared with pandas", len(cases), refused, pandas)
	if refused < 50 || pandas < 50 {
		t.Error("too few of either sort to mean anything")
	}
}

// TestPandas reads a Parquet file of pandas: truth values, nulls, and whole
// numbers that a float64 has no room for.
func TestPandas(t *testing.T) {
	d := newDraft(t)
	d.Tally.Most = 1
	if err := readAuto(t, d, "testdata/pandas.parquet", nil); err != nil {
		t.Fatal(err)
	}
	wantLines(t, "pairs", dump(t, d), `
		a | e | 1 given group=1152921504606846977
		b | f | 0 given group=1152921504606846978`)
	if want := []string{"testdata/pandas.parquet: row 2: the right text is empty", "testdata/pandas.parquet: row 3: the label is empty"}; !slices.Equal(d.Tally.First, want) {
		t.Errorf("bad: %q, want %q", d.Tally.First, want)
	}
}

// TestGuessComma: what stands between fields is what the first line has most
// often outside of quotes.
func TestGuessComma(t *testing.T) {
	for line, want := range map[string]rune{
		"a,b": ',', "a\tb, c": '\t', "a;b;c,d": ';', "\"a;b;c\",d": ',', "a|b": '|', "a": 0, "": 0,
		"a\tb, c, d": '\t', "a;b,c": ',',
	} {
		if got := guessComma(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
