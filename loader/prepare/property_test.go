package prepare

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/cosfit/cosfit/loader"
)

// uniform fails unless counts of equally likely outcomes are so by a chi-square
// test at the level of 1e-6.
func uniform(t *testing.T, what string, counts []int) {
	t.Helper()
	total := 0
	for _, n := range counts {
		total += n
	}
	want, statistic := float64(total)/float64(len(counts)), 0.0
	for _, n := range counts {
		statistic += (float64(n) - want) * (float64(n) - want) / want
	}
	p := 1 - distuv.ChiSquared{K: float64(len(counts) - 1)}.CDF(statistic)
	t.Logf("%s: %d draws of %d, chi-square %.1f, p %.4f", what, total, len(counts), statistic, p)
	if p < 1e-6 {
		t.Errorf("%s is not uniform: chi-square %.1f of %d outcomes, p %g", what, statistic, len(counts), p)
	}
}

// TestSampleUniform: each number is as likely as any other, and so is each set.
func TestSampleUniform(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n, k = 7, 3
	single, sets := make([]int, n), map[string]int{}
	for range 100_000 {
		s := sample(random, n, k)
		slices.Sort(s)
		if len(slices.Compact(slices.Clone(s))) != k {
			t.Fatalf("%v has a number twice", s)
		}
		for _, x := range s {
			single[x]++
		}
		sets[fmt.Sprint(s)]++
	}
	uniform(t, "a number", single)
	var counts []int
	for _, n := range sets {
		counts = append(counts, n)
	}
	if len(counts) != 35 { // 7 choose 3
		t.Fatalf("%d sets of 35 were drawn", len(counts))
	}
	uniform(t, "a set", counts)
	for _, c := range []struct{ n, k, want int }{{0, 3, 0}, {2, 3, 2}, {3, 3, 3}} {
		if got := sample(random, c.n, c.k); len(got) != c.want {
			t.Errorf("of %d, %d: %v", c.n, c.k, got)
		}
	}
}

// classRows is a CSV of texts of some classes, of so many each.
func classRows(classes, texts int, header, split string) string {
	var out strings.Builder
	out.WriteString(header + "\n")
	for class := range classes {
		for i := range texts {
			fmt.Fprintf(&out, "%d %d,class %d%s\n", class, i, class, split)
		}
	}
	return out.String()
}

// TestClassPairs: pairs are of one class or of two as their labels say, once,
// and a partner is any of the class, or of the others.
func TestClassPairs(t *testing.T) {
	const classes, texts, buckets = 10_000, 5, 16
	path := writeFile(t, t.TempDir(), "a.csv", classRows(classes, texts, "text,class,split", ",train"))
	d := newDraft(t)
	table := Table{Files: []File{{Path: path}}, Classes: Classes{PairsPerText: 1, Seed: 3}}
	if err := Read(context.Background(), &CSV{Table: table}, d); err != nil {
		t.Fatal(err)
	}
	within, across := make([]int, texts-1), make([]int, buckets)
	seen := map[[2]int32]bool{}
	for i, label := range d.Pairs.Label {
		l, r := d.Pairs.Left[i], d.Pairs.Right[i]
		if l == r || seen[[2]int32{l, r}] || seen[[2]int32{r, l}] {
			t.Fatalf("%d and %d are a pair twice, or one text", l, r)
		}
		seen[[2]int32{l, r}] = true
		var class, text [2]int
		for side, n := range []int32{l, r} {
			s, _ := d.Text(n)
			fmt.Sscan(s, &class[side], &text[side])
		}
		if (class[0] == class[1]) != (label == 1) {
			t.Fatalf("%v and %v have the label %g", class, text, label)
		}
		switch {
		case label == 0:
			across[(class[1]-class[0]+classes)%classes*buckets/classes]++
		case text[0] == 0: // the first of its class, for which no partner was taken before
			within[text[1]-1]++
		}
	}
	uniform(t, "a partner of the class", within)
	uniform(t, "the distance to another class", across)
}

// TestClassSplits: without a split the texts are divided, so that none is in two.
func TestClassSplits(t *testing.T) {
	rows := classRows(4, 250, "text,class", "")
	d := newDraft(t)
	path := writeFile(t, t.TempDir(), "a.csv", rows)
	if err := Read(context.Background(), &CSV{Table: Table{Files: []File{{Path: path}}}}, d); err != nil {
		t.Fatal(err)
	}
	home := map[int32]loader.Split{}
	texts := map[loader.Split]int{}
	for i, split := range d.Pairs.Split {
		for _, n := range []int32{d.Pairs.Left[i], d.Pairs.Right[i]} {
			if first, ok := home[n]; !ok {
				home[n] = split
				texts[split]++
			} else if first != split {
				t.Fatalf("text %d is in %s and %s", n, first, split)
			}
		}
	}
	if n := texts[loader.Test]; n < 250 || n > 350 {
		t.Errorf("%d of 1,000 texts are in the test split, want about 300", n)
	}
	if n := texts[loader.Validation]; n < 70 || n > 140 {
		t.Errorf("%d of 1,000 texts are in the validation split, want about 105", n)
	}
}
