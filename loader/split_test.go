package loader

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// A row is a pair before it is part of a data set.
type row struct {
	left, right int // texts
	group       string
	split       Split
}

// dataset puts rows together as the readers do.
func dataset(rows []row) *Dataset {
	d := &Dataset{Vectors: &Table{Dim: 1}}
	var groups []string
	texts := map[int]int32{}
	text := func(t int) int32 {
		if _, ok := texts[t]; !ok {
			texts[t] = int32(len(texts))
			d.Vectors.IDs = append(d.Vectors.IDs, fmt.Sprint(t))
			d.Vectors.Data = append(d.Vectors.Data, float32(t))
		}
		return texts[t]
	}
	for _, r := range rows {
		d.Pairs.Left, d.Pairs.Right = append(d.Pairs.Left, text(r.left)), append(d.Pairs.Right, text(r.right))
		d.Pairs.Label = append(d.Pairs.Label, 1)
		d.Pairs.Split = append(d.Pairs.Split, r.split)
		groups = append(groups, r.group)
	}
	d.Pairs.setGroups(groups)
	d.Labels = LabelRange{Max: 1}
	return d
}

// finish is what opening does last.
func finish(t *testing.T, d *Dataset, splitGiven bool) {
	t.Helper()
	if err := d.finish("x", splitGiven, Options{}, nil); err != nil {
		t.Fatal(err)
	}
}

// randomRows draws questions that share passages within clusters: three
// questions to a cluster, each the group of its pairs.
func randomRows(rng *rand.Rand, clusters int) []row {
	var rows []row
	for c := range clusters {
		for q := range 3 {
			question := 1000*c + q
			for range 1 + rng.IntN(4) {
				rows = append(rows, row{left: question, right: 1000*c + 100 + rng.IntN(4), group: fmt.Sprint("g", question)})
			}
		}
	}
	rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

// components numbers the rows by connected component, naively: the smallest
// number spreads through shared groups and texts until nothing changes.
func components(rows []row) []int {
	number := make([]int, len(rows))
	for i := range number {
		number[i] = i
	}
	for changed := true; changed; {
		changed = false
		for i, a := range rows {
			for j, b := range rows {
				joined := a.group == b.group || a.left == b.left || a.right == b.right || a.left == b.right || a.right == b.left
				if joined && number[j] < number[i] {
					number[i], changed = number[j], true
				}
			}
		}
	}
	return number
}

// splitOf is the split of each component or group, and fails where one is torn.
func splitOf[K comparable](t *testing.T, d *Dataset, key func(i int) K) map[K]Split {
	t.Helper()
	out := map[K]Split{}
	for i, s := range d.Pairs.Split {
		if old, ok := out[key(i)]; ok && old != s {
			t.Fatalf("%v is in the splits %v and %v", key(i), old, s)
		}
		out[key(i)] = s
	}
	return out
}

func count(splits []Split, s Split) (n int) {
	for _, x := range splits {
		if x == s {
			n++
		}
	}
	return n
}

func TestDrawnSplitKeepsComponents(t *testing.T) {
	for seed := range uint64(30) {
		rows := randomRows(rand.New(rand.NewPCG(seed, 0)), 20)
		d := dataset(rows)
		finish(t, d, false)
		number := components(rows)
		splitOf(t, d, func(i int) int { return number[i] })
		size := map[int]int{}
		for _, c := range number {
			size[c]++
		}
		off := math.Abs(float64(count(d.Pairs.Split, Test)) - testShare*float64(len(rows)))
		if most := slices.Max(slices.Collect(maps.Values(size))); off > float64(most) {
			t.Errorf("seed %d: %d of %d pairs for the test", seed, count(d.Pairs.Split, Test), len(rows))
		}
		want := fmt.Sprintf("no split given: %d of %d pairs became the test split, drawn by group, keeping groups that share a text together", count(d.Pairs.Split, Test), len(rows))
		if !slices.Equal(d.Notes, []string{want}) {
			t.Errorf("seed %d: notes %q, want %q", seed, d.Notes, want)
		}
		if leaks := d.Leaks(); leaks != nil {
			t.Errorf("seed %d: %v", seed, leaks)
		}
	}
}

// One component above a fifth of the pairs: groups are drawn, and it is said.
func TestDrawnSplitFallsBackToGroups(t *testing.T) {
	rows := make([]row, 0, 100)
	for i := range 100 {
		rows = append(rows, row{left: i / 2, right: 1000 + i, group: fmt.Sprint(i / 2)})
	}
	// The first ten pairs of twenty share a passage, then one pair more does.
	share := func(n int) *Dataset {
		rows := slices.Clone(rows)
		for i := range n {
			rows[2*i].right = 5000
		}
		d := dataset(rows)
		finish(t, d, false)
		splitOf(t, d, func(i int) string { return rows[i].group })
		return d
	}
	if d := share(10); d.Leaks() != nil || len(d.Notes) != 1 {
		t.Errorf("a component of a fifth: %v, %q", d.Leaks(), d.Notes)
	}
	d := share(40)
	const how = "drawn by group (new questions, known passages: too many groups share texts to keep them apart)"
	shared := 0
	for i, r := range d.Pairs.Right {
		if d.Pairs.Split[i] == Test && d.Vectors.IDs[r] == "5000" {
			shared++
		}
	}
	want := []string{
		"no split given: 30 of 100 pairs became the test split, " + how,
		fmt.Sprintf("train and test share 1 text, such as 5000: %d of the 30 test pairs", shared),
	}
	if !slices.Equal(d.Notes, want) {
		t.Errorf("notes %q, want %q", d.Notes, want)
	}
	if d := share(11); d.Notes[0] != want[0] {
		t.Errorf("a component above a fifth: notes %q", d.Notes)
	}
}

// The same pairs in another order: every pair keeps its split.
func TestSplitsIgnoreOrder(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rows := randomRows(rng, 4+10*int(seed%2)) // by group, by component
		splits := func() map[row]Split {
			d := dataset(rows)
			finish(t, d, false)
			d.CarveValidation()
			return splitOf(t, d, func(i int) row { return rows[i] })
		}
		first := splits()
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if !reflect.DeepEqual(splits(), first) {
			t.Errorf("seed %d: another order, another split", seed)
		}
	}
}

func TestCarveValidation(t *testing.T) {
	for seed := range uint64(20) {
		rows := randomRows(rand.New(rand.NewPCG(seed, 2)), 3+int(seed))
		d := dataset(rows)
		finish(t, d, false)
		before := slices.Clone(d.Pairs.Split)
		d.CarveValidation()
		splitOf(t, d, func(i int) string { return rows[i].group })
		for i, s := range d.Pairs.Split {
			if s != before[i] && (before[i] != Train || s != Validation) {
				t.Errorf("seed %d: pair %d went from %v to %v", seed, i, before[i], s)
			}
		}
		if n := count(d.Pairs.Split, Validation); n == 0 || n > len(rows)/2 {
			t.Errorf("seed %d: %d of %d pairs for validation", seed, n, len(rows))
		}
		// A second call finds a validation split and leaves it.
		once, notes := slices.Clone(d.Pairs.Split), len(d.Notes)
		d.CarveValidation()
		if !slices.Equal(d.Pairs.Split, once) || len(d.Notes) != notes {
			t.Errorf("seed %d: carved twice", seed)
		}
	}
}

func TestTooFewGroupsToSplit(t *testing.T) {
	d := dataset([]row{{left: 1, right: 2, group: "a"}, {left: 1, right: 3, group: "a"}})
	finish(t, d, false)
	d.CarveValidation()
	want := []string{
		"no split given and all pairs are of one group: there is no test split",
		"no validation split given and the training pairs are too few groups to take one from them",
	}
	if !slices.Equal(d.Notes, want) || count(d.Pairs.Split, Train) != 2 {
		t.Errorf("notes %q, splits %v", d.Notes, d.Pairs.Split)
	}
}

func TestGivenSplit(t *testing.T) {
	rows := []row{
		{1, 10, "a", Train},
		{2, 10, "b", Test},
		{3, 11, "c", Validation},
		{2, 12, "b", Test},
	}
	d := dataset(rows)
	finish(t, d, true)
	if want := []string{"train and test share 1 text, such as 10: 1 of the 2 test pairs"}; !slices.Equal(d.Notes, want) {
		t.Errorf("notes %q, want %q", d.Notes, want)
	}
	for s, want := range map[Split][]int32{Train: {0}, Validation: {2}, Test: {1, 3}} {
		if got := d.Indices(s); !slices.Equal(got, want) {
			t.Errorf("%v has the pairs %v, want %v", s, got, want)
		}
	}
	rows[3].split = Train
	wantError(t, dataset(rows).finish("file", true, Options{Strict: true}, nil),
		`file: train and test share 1 group, such as "b", and 2 texts, such as 10: 1 of the 1 test pairs: mend it with cosfit data check --fix-leakage, or leave out --strict`)
}
