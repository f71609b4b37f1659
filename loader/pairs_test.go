package loader

import (
	"math"
	"slices"
	"testing"
)

func TestLabelRange(t *testing.T) {
	for name, c := range map[string]struct {
		want  LabelRange
		label func(row int) float32
	}{
		"range_0_5":     {LabelRange{0, 1, true}, func(row int) float32 { return float32(row%6) / 5 }},
		"range_signed":  {LabelRange{-1, 1, false}, func(row int) float32 { return 2*fixtureLabel(row) - 1 }},
		"range_derived": {LabelRange{-1, 1, false}, func(row int) float32 { return 2*fixtureLabel(row) - 1 }},
		"plain":         {LabelRange{0, 1, false}, fixtureLabel},
	} {
		fsys := folderFS(t)
		fsys["pairs.parquet"] = file(t, "testdata/pairs/"+name+".parquet")
		d, err := openFolderFS(fsys, "alpha")
		if err != nil {
			t.Error(err)
			continue
		}
		if d.Labels != c.want {
			t.Errorf("%s: range %+v, want %+v", name, d.Labels, c.want)
		}
		for row, got := range d.Pairs.Label {
			if want := c.label(row); got != want {
				t.Errorf("%s: row %d: label %v, want %v", name, row, got, want)
			}
		}
	}
}

func TestParseRange(t *testing.T) {
	for s, want := range map[string]struct {
		low, high float32
		ok        bool
	}{
		"0..5": {0, 5, true}, "-1..1": {-1, 1, true}, "0.5..1.5": {0.5, 1.5, true}, "1e2..2e2": {100, 200, true}, "0:5": {0, 5, true}, "-1:1": {-1, 1, true},
		"": {}, "5": {}, "0..": {}, "..1": {}, "1..0": {}, "1..1": {}, "0..inf": {}, "nan..1": {}, "0..1..2": {}, "a..b": {}, "0-5": {}, "0:1:2": {}, "0..1:2": {}, ":": {},
	} {
		low, high, ok := ParseRange(s)
		if ok != want.ok || ok && (low != want.low || high != want.high) {
			t.Errorf("%q is %v..%v, %v; want %+v", s, low, high, ok, want)
		}
	}
}

func TestCalled(t *testing.T) {
	for name, want := range map[string]int{
		"train": 0, "Training": 0, " dev ": 1, "VALID": 1, "validation": 1, "Test": 2, "testing": 2, "fold1": -1, "": -1,
	} {
		if s, ok := SplitCalled(name); ok != (want >= 0) || ok && int(s) != want {
			t.Errorf("the split %q is %v, %v", name, s, ok)
		}
	}
	nan := math.NaN()
	for text, want := range map[string]float64{
		"yes": 5, "No": 1, "TRUE": 5, "f": 1, " 0.5 ": 0.5, "-1": -1, "1e1": 10, "": nan, "maybe": nan, "nan": nan, "0x1p2": nan, "1_0": nan,
	} {
		if x, ok := LabelCalled(text, 1, 5); ok == math.IsNaN(want) || ok && x != want {
			t.Errorf("the label %q is %v, %v", text, x, ok)
		}
	}
}

func TestPositive(t *testing.T) {
	for _, c := range []struct {
		r     LabelRange
		label float32
		want  bool
	}{
		{LabelRange{Min: 0, Max: 1}, 0.5, true},
		{LabelRange{Min: 0, Max: 1}, 0.49, false},
		{LabelRange{Min: -1, Max: 1}, 0, true},
		{LabelRange{Min: -1, Max: 1}, -0.01, false},
	} {
		if got := c.r.Positive(c.label); got != c.want {
			t.Errorf("%v in %v is positive: %v", c.label, c.r, got)
		}
	}
}

func TestSplitNames(t *testing.T) {
	if want := []string{"train", "validation", "test"}; !slices.Equal(SplitNames(), want) {
		t.Errorf("names %q, want %q", SplitNames(), want)
	}
	for name, want := range map[string]Split{"train": Train, "validation": Validation, "test": Test} {
		if got, ok := ParseSplit(name); got != want || !ok {
			t.Errorf("%q is %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "dev", "Train", " test", "training"} {
		if got, ok := ParseSplit(name); ok {
			t.Errorf("%q is %v", name, got)
		}
	}
}
