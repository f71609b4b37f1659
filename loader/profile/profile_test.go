package profile

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/loader"
)

type (
	pairRow struct {
		Left  string  `parquet:"left"`
		Right string  `parquet:"right"`
		Label float32 `parquet:"label"`
		Split string  `parquet:"split"`
		Kind  string  `parquet:"kind"`
	}
	textRow struct {
		ID   string `parquet:"id"`
		Text string `parquet:"text"`
	}
)

// folder writes pairs of texts, which have no vectors.
func folder(t *testing.T, pairs []pairRow, texts ...string) *loader.Dataset {
	t.Helper()
	dir := t.TempDir()
	for i := range pairs {
		pairs[i].Left, pairs[i].Right = loader.TextID(pairs[i].Left), loader.TextID(pairs[i].Right)
	}
	var rows []textRow
	for _, text := range texts {
		rows = append(rows, textRow{loader.TextID(text), text})
	}
	for name, err := range map[string]error{
		"pairs": parquet.WriteFile(filepath.Join(dir, "pairs.parquet"), pairs),
		"texts": parquet.WriteFile(filepath.Join(dir, "texts.parquet"), rows),
	} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	d, err := loader.OpenFS(context.Background(), os.DirFS(dir), "set", loader.Options{PairsOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func of(t *testing.T, d *loader.Dataset, o Options) Profile {
	t.Helper()
	p, err := Of(context.Background(), d, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOf counts by hand.
func TestOf(t *testing.T) {
	long := strings.Repeat("é", 1000)
	d := folder(t, []pairRow{
		{"q1", "p1", 1, "train", "positive"},
		{"q1", "p2", 0, "train", "weak"},
		{"q1", "p2", 0, "train", "weak"}, // again
		{"q1", "p1", 0, "train", "hard"}, // with another label
		{"q2", "q2", 1, "validation", "given"},
		{"q3", long, 1, "test", "positive"},
		{"q3", "gone", 1, "test", "positive"},
	}, "q1", "p1", "p2", "q2", "q3", long, "in no pair")
	p := of(t, d, Options{Examples: 2, Seed: 3})
	if want := []Split{
		{"train", 4, 1, 3, 1, map[string]int{"positive": 1, "weak": 2, "hard": 1}},
		{"validation", 1, 1, 1, 1, map[string]int{"given": 1}},
		{"test", 2, 1, 3, 2, map[string]int{"positive": 2}},
	}; !reflect.DeepEqual(p.Splits, want) {
		t.Errorf("splits %+v, want %+v", p.Splits, want)
	}
	if got, want := []int{p.Pairs, p.Groups, p.Repeated, p.Contradicted, p.Itself, p.Unpaired, p.Unknown}, []int{7, 3, 1, 1, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("counts %v, want %v", got, want)
	}
	if want := []Bin{{0, 0, 3}, {1, 1, 4}}; !slices.Equal(p.Labels, want) {
		t.Errorf("labels %v, want %v", p.Labels, want)
	}
	if got, want := p.PairsOfGroup, (Spread{3, 7.0 / 3, 1, 2, 2, 4, 4}); got != want {
		t.Errorf("pairs of a group %+v, want %+v", got, want)
	}
	if p.Left.Count != 3 || p.Right.Count != 4 || p.Right.Most != 1000 || p.Right.Bins[0] != 3 || p.Right.Bins[LengthBins-1] != 1 {
		t.Errorf("lengths %+v, %+v", p.Left, p.Right)
	}
	if len(p.Examples) != 2 || !slices.ContainsFunc(p.Examples, func(e Example) bool { return strings.HasPrefix(e.Left, "q") }) {
		t.Errorf("examples %+v", p.Examples)
	}
	all := of(t, d, Options{Examples: 100})
	if len(all.Examples) != 7 || all.Examples[6].Right != "(text "+loader.TextID("gone")+")" {
		t.Errorf("all examples are %+v", all.Examples)
	}
}

// TestGradedLabels counts tenths of the scale.
func TestGradedLabels(t *testing.T) {
	var pairs []pairRow
	for _, l := range []float32{0, 0.05, 0.15, 0.5, 0.99, 1} {
		pairs = append(pairs, pairRow{"q", "p", l, "train", "given"})
	}
	p := of(t, folder(t, pairs, "q", "p"), Options{})
	var counts []int
	for _, b := range p.Labels {
		counts = append(counts, b.Pairs)
	}
	if want := []int{2, 1, 0, 0, 0, 1, 0, 0, 0, 2}; !p.Graded || !slices.Equal(counts, want) {
		t.Errorf("%v, want %v", counts, want)
	}
}

func TestSpread(t *testing.T) {
	numbers := []int{9, 1, 2, 8, 3, 7, 4, 6, 5}
	if got, want := newSpread(numbers), (Spread{9, 5, 1, 3, 5, 7, 9}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if newSpread(nil) != (Spread{}) || newLengths(nil).Bins != nil {
		t.Error("no numbers have a spread")
	}
	l := newLengths([]int{5, 5, 5})
	if l.Bins[0] != 3 || math.IsNaN(l.Mean) {
		t.Errorf("%+v", l)
	}
}
