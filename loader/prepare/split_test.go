package prepare

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/loader"
)

// TestSplitOfDraft draws by component, by document and in folds.
func TestSplitOfDraft(t *testing.T) {
	fill := func() *Draft {
		d := newDraft(t)
		for i := range 90 {
			add(t, d, Pair{Left: fmt.Sprint("question ", i), Right: fmt.Sprint("passage ", i), Label: float64(i % 2), Source: fmt.Sprint("document ", i/3)})
		}
		return d
	}
	const few = "few pairs, so none are held out for validation: training judges by cross-validation"
	for _, c := range []struct {
		o     SplitOptions
		want  string
		notes []string
	}{
		{SplitOptions{SplitOptions: loader.SplitOptions{}}, "63 train, 13 validation and 14 test pairs, drawn by group, keeping groups that share a text together", nil},
		{SplitOptions{SplitOptions: loader.SplitOptions{By: loader.BySource}}, "63 train, 12 validation and 15 test pairs, drawn by source, keeping the groups of a document together", nil},
		{SplitOptions{SplitOptions: loader.SplitOptions{Folds: 3, Fold: 2}}, "49 train, 11 validation and 30 test pairs, drawn by group, keeping groups that share a text together", nil},
		{SplitOptions{Undivided: 64}, "63 train, 0 validation and 27 test pairs, drawn by group, keeping groups that share a text together", []string{few}},
		{SplitOptions{Undivided: 63}, "63 train, 13 validation and 14 test pairs, drawn by group, keeping groups that share a text together", nil},
		{SplitOptions{SplitOptions: loader.SplitOptions{Folds: 3, Fold: 2}, Undivided: 61}, "60 train, 0 validation and 30 test pairs, drawn by group, keeping groups that share a text together", []string{few}},
		{SplitOptions{SplitOptions: loader.SplitOptions{Shares: loader.Shares{8, 1, 1}}, Undivided: 64}, "72 train, 9 validation and 9 test pairs, drawn by group, keeping groups that share a text together", nil},
	} {
		d := fill()
		r, err := d.Split(context.Background(), c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Sentences(); !slices.Equal(got, append([]string{c.want}, c.notes...)) {
			t.Errorf("%q, want %q and %q", got, c.want, c.notes)
		}
		if c.o.By == loader.BySource {
			for i := range 90 {
				if d.Pairs.Split[i] != d.Pairs.Split[i/3*3] {
					t.Errorf("document %d is torn", i/3)
				}
			}
		}
	}
}

// leaky is a draft with a published split: a text and a group of training that
// are in test too, and a text that is almost one.
func leaky(t *testing.T) *Draft {
	const long = "the quick brown fox jumps over the lazy dog and then sleeps for a very long time in the warm sun"
	d := newDraft(t)
	add(t, d,
		Pair{Left: "a", Right: "p1", Label: 1, Split: "train"},
		Pair{Left: "b", Right: "p2", Label: 1, Split: "train"},
		Pair{Left: "c", Right: long, Label: 1, Split: "train"},
		Pair{Left: "d", Right: "p4", Label: 1, Split: "train", Group: "g"},
		Pair{Left: "e", Right: "p2", Label: 0, Split: "test"},
		Pair{Left: "f", Right: strings.ToUpper(long) + "!", Label: 0, Split: "test"},
		Pair{Left: "h", Right: "p7", Label: 0, Split: "test", Group: "g"},
		Pair{Left: "i", Right: "p7", Label: 0, Split: "validation"},
		Pair{Left: "k", Right: "p8", Label: 0, Split: "validation"},
	)
	return d
}

// TestLeakage: a planted leak is found and said, refused, or mended.
func TestLeakage(t *testing.T) {
	d := leaky(t)
	r, err := d.Split(context.Background(), SplitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the data bring their split",
		`train and test share 1 group, such as "g", and 1 text, such as ` + loader.TextID("p2") + ": 2 of the 3 test pairs",
		"validation and test share 1 text, such as " + loader.TextID("p7") + ": 1 of the 3 test pairs",
		`texts of different splits that are almost the same: 1 pairs of them, such as "the quick brown fox jumps over the lazy dog and then sleeps " and "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG AND THEN SLEEPS ", which --fix-leakage mends`,
	}
	if got := r.Sentences(); !slices.Equal(got, want) {
		t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	if _, err := leaky(t).Split(context.Background(), SplitOptions{Strict: true}); err == nil || err.Error() != want[1]+": mend it with --fix-leakage, or leave out --strict" {
		t.Errorf("%v", err)
	}

	d = leaky(t)
	r, err = d.Split(context.Background(), SplitOptions{FixLeakage: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Gone != [3]int{3, 1, 0} || r.Pairs != [3]int{1, 1, 3} || d.Pairs.Len() != 5 {
		t.Errorf("%+v, %d pairs", r, d.Pairs.Len())
	}
	if leaks := d.Pairs.Leaks(d.facts(), func(int32) string { return "" }); leaks != nil {
		t.Errorf("left: %v", leaks)
	}
}

// TestAlikeStayTogether: where a split is drawn, nothing is lost.
func TestAlikeStayTogether(t *testing.T) {
	d := newDraft(t)
	words := func(i int) string { return strings.Repeat(fmt.Sprintf("w%d v%d u%d ", i, i, i), 2) }
	for i := range 200 {
		add(t, d, Pair{Left: fmt.Sprint("q", i), Right: strings.Repeat(" ", 1+i%2) + words(i/2), Label: float64(i % 2)})
	}
	r, err := d.Split(context.Background(), SplitOptions{FixLeakage: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Gone != [3]int{} || r.Alike != 0 || r.Pairs[loader.Test] != 30 {
		t.Errorf("%+v", r)
	}
	for i := range 200 {
		if d.Pairs.Split[i] != d.Pairs.Split[i/2*2] {
			t.Errorf("pairs %d and %d are apart", i, i/2*2)
		}
	}
	d = newDraft(t)
	for i := range 20 {
		add(t, d, Pair{Left: fmt.Sprint("q", i), Right: "p", Label: 1})
	}
	_, err = d.Split(context.Background(), SplitOptions{FixLeakage: true})
	if want := "every training pair shares a group or a text with validation or test, so that nothing would be left to learn from: draw the split by component, or leave out --fix-leakage"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
