package loader

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// mixed draws questions with passages of their own: pairs of all kinds, labels
// that differ in balance from question to question.
func mixed(rng *rand.Rand, questions int) Pairs {
	var p Pairs
	var groups []string
	text := int32(questions)
	for q := range questions {
		n := 1 + rng.IntN(6)
		balance := rng.Float64()
		for range n {
			kind := Kind(rng.IntN(4))
			label := float32(0)
			if rng.Float64() < balance {
				label = 1
			}
			p.Left, p.Right = append(p.Left, int32(q)), append(p.Right, text)
			p.Label, p.Kind = append(p.Label, label), append(p.Kind, kind)
			groups = append(groups, fmt.Sprint("question ", q))
			text++
		}
	}
	p.setGroups(groups)
	return p
}

func facts(p *Pairs) SplitFacts {
	most := slices.Max(append(slices.Clone(p.Left), p.Right...))
	return SplitFacts{Texts: int(most) + 1, Middle: 0.5}
}

func mustDivide(t *testing.T, p *Pairs, o SplitOptions) Division {
	t.Helper()
	d, err := p.Divide(o, facts(p))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDivideProportions: splits have their share of the pairs, but for about a
// unit, and of every kind and of similar pairs, but for chance.
func TestDivideProportions(t *testing.T) {
	for seed := range uint64(20) {
		p := mixed(rand.New(rand.NewPCG(seed, 3)), 1500)
		o := SplitOptions{Shares: Shares{Train: 60, Validation: 15, Test: 25}, Seed: seed}
		d := mustDivide(t, &p, o)
		if d.By != ByComponent || d.Known || d.Units != 1500 {
			t.Fatalf("%+v", d)
		}
		for s, share := range []float64{0.60, 0.15, 0.25} {
			if off := math.Abs(float64(d.Pairs[s]) - share*float64(p.Len())); off > 8 {
				t.Errorf("seed %d: %s has %d of %d pairs, %.1f off", seed, Split(s), d.Pairs[s], p.Len(), off)
			}
			of := func(is func(i int) bool) float64 {
				var all, own float64
				for i := range p.Label {
					if is(i) {
						all++
						if p.Split[i] == Split(s) {
							own++
						}
					}
				}
				return own / all
			}
			parts := []func(i int) bool{func(i int) bool { return p.Label[i] == 1 }}
			for k := range kindNames {
				parts = append(parts, func(i int) bool { return p.Kind[i] == Kind(k) })
			}
			for _, part := range parts {
				if got := of(part); math.Abs(got-share) > 0.03 {
					t.Errorf("seed %d: %s has %.3f of a part, want %.2f", seed, Split(s), got, share)
				}
			}
		}
		splitOf(t, &Dataset{Pairs: p}, func(i int) int32 { return p.Group[i] })
	}
}

// TestStrata: units of one make are divided to the unit, however few of each
// there are.
func TestStrata(t *testing.T) {
	var p Pairs
	var groups []string
	for q := range 200 {
		kind, label := Kind(q%4), float32(q%2)
		p.Left, p.Right = append(p.Left, int32(q)), append(p.Right, int32(200+q))
		p.Kind, p.Label = append(p.Kind, kind), append(p.Label, label)
		groups = append(groups, fmt.Sprint(q))
	}
	p.setGroups(groups)
	mustDivide(t, &p, SplitOptions{Shares: Shares{Train: 7, Validation: 1, Test: 2}})
	var n [4][NumSplits]int
	for i, s := range p.Split {
		n[p.Kind[i]][s]++
	}
	for kind, got := range n {
		if want := [NumSplits]int{35, 5, 10}; got != want {
			t.Errorf("%s: %v, want %v", Kind(kind), got, want)
		}
	}
}

// TestDivideIsStable: a change of the data moves few units, and the order of
// the rows and a seed of 0 none.
func TestDivideIsStable(t *testing.T) {
	p := mixed(rand.New(rand.NewPCG(1, 4)), 400)
	o := SplitOptions{Shares: Shares{Train: 70, Validation: 15, Test: 15}}
	mustDivide(t, &p, o)
	first := map[string]Split{}
	for i, s := range p.Split {
		first[p.Groups[p.Group[i]]] = s
	}
	more := mixed(rand.New(rand.NewPCG(1, 4)), 400)
	text := int32(facts(&more).Texts)
	names := make([]string, more.Len())
	for i, g := range more.Group {
		names[i] = more.Groups[g]
	}
	for i := range 4 {
		more.Left, more.Right = append(more.Left, text), append(more.Right, text+1)
		more.Label, more.Kind = append(more.Label, 1), append(more.Kind, Positive)
		names = append(names, fmt.Sprint("another ", i))
		text += 2
	}
	rand.New(rand.NewPCG(2, 4)).Shuffle(more.Len(), func(i, j int) {
		more.Left[i], more.Left[j] = more.Left[j], more.Left[i]
		more.Right[i], more.Right[j] = more.Right[j], more.Right[i]
		more.Label[i], more.Label[j] = more.Label[j], more.Label[i]
		more.Kind[i], more.Kind[j] = more.Kind[j], more.Kind[i]
		names[i], names[j] = names[j], names[i]
	})
	more.setGroups(names)
	mustDivide(t, &more, o)
	moved := map[string]bool{}
	for i, s := range more.Split {
		name := more.Groups[more.Group[i]]
		if was, ok := first[name]; ok && was != s {
			moved[name] = true
		}
	}
	if len(moved) > 20 {
		t.Errorf("four more groups moved %d of 400", len(moved))
	}
	o.Seed = 7
	again := mixed(rand.New(rand.NewPCG(1, 4)), 400)
	mustDivide(t, &again, o)
	if slices.Equal(again.Split, p.Split) {
		t.Error("another seed, the same split")
	}
}

// TestFolds: each pair is in the test split of exactly one fold, folds are of
// about one size, and no component is torn.
func TestFolds(t *testing.T) {
	for seed := range uint64(10) {
		rows := randomRows(rand.New(rand.NewPCG(seed, 5)), 50)
		number := components(rows)
		const k = 5
		times := make([]int, len(rows))
		for fold := range k {
			d := dataset(rows)
			o := Options{Split: SplitOptions{Folds: k, Fold: fold + 1, Seed: seed, Shares: Shares{Train: 9, Validation: 1}}}
			if err := d.finish("x", false, o, nil); err != nil {
				t.Fatal(err)
			}
			splitOf(t, d, func(i int) int { return number[i] })
			n := d.Pairs.count()
			if part := len(rows) / k; n[Test] < part-12 || n[Test] > part+12 || n[Validation] == 0 {
				t.Errorf("seed %d, fold %d: %v of %d pairs", seed, fold+1, n, len(rows))
			}
			for i, s := range d.Pairs.Split {
				if s == Test {
					times[i]++
				}
			}
		}
		if slices.ContainsFunc(times, func(n int) bool { return n != 1 }) {
			t.Errorf("seed %d: pairs are in the test split of %v folds", seed, times)
		}
	}
}

// Dataset.Folds cuts the training pairs only.
func TestFoldsOfTraining(t *testing.T) {
	d := dataset(randomRows(rand.New(rand.NewPCG(1, 6)), 30))
	finish(t, d, false)
	folds, err := d.Folds(3, 1)
	if err != nil {
		t.Fatal(err)
	}
	var n [3]int
	for i, f := range folds {
		if (f >= 0) != (d.Pairs.Split[i] == Train) {
			t.Fatalf("pair %d of %s is in fold %d", i, d.Pairs.Split[i], f)
		}
		if f >= 0 {
			n[f]++
		}
	}
	if slices.Min(n[:]) < slices.Max(n[:])-16 {
		t.Errorf("folds of %v pairs", n)
	}
	_, err = d.Folds(1000, 1)
	wantError(t, err, ": 1000 folds cannot be made: there are 27 units that must not be torn")
}

// TestSources keeps the questions of a document together, and lets negatives
// come from anywhere.
func TestSources(t *testing.T) {
	var p Pairs
	var groups []string
	f := SplitFacts{Texts: 100 + 60, Middle: 0.5, Source: slices.Repeat([]int32{-1}, 160)}
	rng := rand.New(rand.NewPCG(1, 7))
	for i := range 60 { // passages: three of each document
		f.Source[100+i] = int32(i / 3)
	}
	for q := range 100 {
		positive := rng.IntN(60)
		for _, right := range []int{positive, rng.IntN(60), rng.IntN(60)} {
			label := float32(0)
			if right == positive {
				label = 1
			}
			p.Left, p.Right = append(p.Left, int32(q)), append(p.Right, int32(100+right))
			p.Label, p.Kind = append(p.Label, label), append(p.Kind, Given)
			groups = append(groups, fmt.Sprint(q))
		}
	}
	p.setGroups(groups)
	d, err := p.Divide(SplitOptions{By: BySource}, f)
	if err != nil || d.By != BySource || d.Pairs[Test] < 60 || d.Pairs[Test] > 120 {
		t.Fatalf("%+v, %v", d, err)
	}
	seen := map[int32]Split{}
	for i, s := range p.Split {
		if p.Label[i] == 1 {
			source := f.Source[p.Right[i]]
			if was, ok := seen[source]; ok && was != s {
				t.Errorf("document %d answers questions of %s and %s", source, was, s)
			}
			seen[source] = s
		}
	}
	f.Source = nil
	p.Split = nil
	_, err = p.Divide(SplitOptions{By: BySource}, f)
	wantError(t, err, "no document is known of any text, by which the split was to be drawn: choose another unit with --split-by")
}

// Texts that count as one join their groups.
func TestSameTexts(t *testing.T) {
	for seed := range uint64(5) {
		p := mixed(rand.New(rand.NewPCG(seed, 8)), 60)
		f := facts(&p)
		for q := int32(0); q < 60; q += 2 {
			f.Same = append(f.Same, [2]int32{q, q + 1})
		}
		if _, err := p.Divide(SplitOptions{Seed: seed}, f); err != nil {
			t.Fatal(err)
		}
		splitOf(t, &Dataset{Pairs: p}, func(i int) int32 { return p.Left[i] / 2 })
	}
}

func TestSplitOptions(t *testing.T) {
	for _, c := range []struct {
		o     SplitOptions
		given bool
		want  string
	}{
		{SplitOptions{By: "row"}, false, `--split-by "row" is unknown; there are: auto, component, group, source, column`},
		{SplitOptions{By: ByColumn}, false, "--split-by column: the data bring no split"},
		{SplitOptions{By: ByColumn, Folds: 2, Fold: 1}, true, "--split-by column takes the split that the data bring: leave out --split, --folds and --split-seed"},
		{SplitOptions{Fold: 1}, false, "--fold says which of --folds is the test split: give both"},
		{SplitOptions{Folds: 5}, false, "--folds needs --fold, which says which part is the test split: give a number from 1 to 5"},
		{SplitOptions{Folds: 5, Fold: 6}, false, "--fold is 6, want a number from 1 to 5"},
		{SplitOptions{Folds: 1, Fold: 1}, false, "--folds is 1, want 2 or more"},
		{SplitOptions{Folds: 50, Fold: 1}, false, "50 folds cannot be made: there are 30 units that must not be torn"},
		{SplitOptions{Seed: 1}, true, "the data bring a split: to draw another, say what is not to be torn with --split-by component, group or source"},
		{SplitOptions{}, true, ""},
		{SplitOptions{By: ByGroup}, true, ""},
	} {
		p := mixed(rand.New(rand.NewPCG(1, 9)), 30)
		if c.given {
			p.Split = slices.Repeat([]Split{Validation}, p.Len())
		}
		d, err := p.Divide(c.o, facts(&p))
		if c.want != "" {
			wantError(t, err, c.want)
			continue
		}
		if err != nil || (d.By == ByColumn) != (d.Pairs[Validation] == p.Len()) {
			t.Errorf("%+v: %+v, %v", c.o, d, err)
		}
	}
}

func TestParseShares(t *testing.T) {
	for text, want := range map[string]Shares{
		"70:15:15": {70, 15, 15}, "8:2": {8, 0, 2}, "0.5:0.25:0.25": {0.5, 0.25, 0.25}, "1:0:1": {1, 0, 1},
	} {
		if got, err := ParseShares(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	const form = ", want shares of train, validation and test such as 70:15:15, or of train and test such as 80:20"
	for text, want := range map[string]string{
		"":         `is ""` + form,
		"70":       `is "70"` + form,
		"1:1:1:1":  `is "1:1:1:1"` + form,
		"70:-1:31": `is "70:-1:31"` + form,
		"NaN:1":    `is "NaN:1"` + form,
		"0:1:1":    `is "0:1:1": training needs a share, and one of the others`,
		"1:0:0":    `is "1:0:0": training needs a share, and one of the others`,
	} {
		_, err := ParseShares(text)
		wantError(t, err, want)
	}
}

// FuzzParseShares: what is read is shares, and is read again as the same.
func FuzzParseShares(f *testing.F) {
	for _, s := range []string{"70:15:15", "8:2", "1e3:0:0x1p-2", "1:1:1:1", "NaN:1", "-1:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		shares, err := ParseShares(s)
		if err != nil {
			return
		}
		for _, x := range shares {
			if !(x >= 0 && x < 1e9) {
				t.Fatalf("%q is %v", s, shares)
			}
		}
		p := mixed(rand.New(rand.NewPCG(1, 9)), 30)
		if d := mustDivide(t, &p, SplitOptions{Shares: shares}); d.Pairs[Train] == 0 && shares[Train] >= 1e-9 {
			t.Fatalf("%q leaves nothing for training: %v", s, d.Pairs)
		}
	})
}
