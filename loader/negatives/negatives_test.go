package negatives

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/loader"
)

// Hard negatives are what comparing everything with everything in float64 finds.
func TestHard(t *testing.T) {
	for name, o := range map[string]Options{
		"the first":       {Ranks: Ranks{To: 50}},
		"all of them":     {Ranks: Ranks{To: math.MaxInt32}},
		"a range":         {Ranks: Ranks{From: 10, To: 14}},
		"one split":       {Ranks: Ranks{To: 20}, Splits: []loader.Split{loader.Validation}},
		"below a maximum": {Ranks: Ranks{To: 50}, Limits: Limits{Max: new(0.85)}},
		"above a minimum": {Ranks: Ranks{To: 50}, Limits: Limits{Min: new(0.8)}},
		"a margin":        {Ranks: Ranks{To: 100}, Limits: Limits{Margin: new(0.1)}},
		"a relative one":  {Ranks: Ranks{To: 100}, Limits: Limits{RelativeMargin: new(0.2)}},
		"everything":      {Ranks: Ranks{From: 3, To: 90}, Limits: Limits{Max: new(0.9), Min: new(0.2), Margin: new(0.05), RelativeMargin: new(0.1)}},
	} {
		for _, splits := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				o.Hard = 3
				c := makeCorpus(7, 60, splits)
				m := &mining{Corpus: &c.Corpus, Options: o}
				m.findQueries()
				m.findHomes()
				want := c.hardest(o, func(text int32, s loader.Split) bool { return m.homes[c.Classes[text]].has(s) })
				if len(want) < 10 {
					t.Fatalf("only %d to be found", len(want))
				}
				for _, threads := range []int{1, 2, 5} {
					o.Threads = threads
					got, report := find(t, &c.Corpus, o)
					if !slices.EqualFunc(got, want, same) {
						t.Fatalf("%d threads: %v, want %v", threads, got, want)
					}
					checkReport(t, report, got, o)
				}
			})
		}
	}
}

func same(a, b Negative) bool {
	return a.Like == b.Like && a.Passage == b.Passage && a.Kind == b.Kind &&
		(math.Abs(float64(a.Similarity-b.Similarity)) < 1e-6 || math.IsNaN(float64(a.Similarity+b.Similarity)))
}

// checkReport wants the counts to add up.
func checkReport(t *testing.T, r Report, got []Negative, o Options) {
	t.Helper()
	f := r.Hard.Fewer
	if short := f.Passages + f.Alike + f.Max + f.Min + f.Margin + f.RelativeMargin; r.Hard.Complete+short != r.Queries || r.Hard.Added != len(got) {
		t.Errorf("%+v of %d queries and %d negatives", *r.Hard, r.Queries, len(got))
	}
	if (f.Max > 0 && o.Limits.Max == nil) || (f.Margin > 0 && o.Limits.Margin == nil) || (f.Min > 0 && o.Limits.Min == nil) || (f.RelativeMargin > 0 && o.Limits.RelativeMargin == nil) {
		t.Errorf("reasons that nobody gave: %+v", f)
	}
}

// Whatever is asked for, each negative keeps to it, and none is barred or of
// another split.
func TestRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	perhaps := func(from, to float64) *float64 {
		if rng.IntN(2) == 0 {
			return nil
		}
		return new(from + rng.Float64()*(to-from))
	}
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for round := range rounds {
		c := makeCorpus(uint64(round), 40, round%2 == 0)
		o := Options{
			Hard: 1 + rng.IntN(4), Weak: rng.IntN(3), Seed: uint64(round), Threads: 2,
			Strategy: Strategy(Strategies()[round%3]),
			Ranks:    Ranks{From: rng.IntN(5)},
			Limits:   Limits{perhaps(0.5, 1), perhaps(0, 0.6), perhaps(0, 0.2), perhaps(0, 0.3)},
		}
		if round%4 == 0 {
			o.Splits = []loader.Split{loader.Train}
		}
		if round%5 == 0 {
			o.Pools = c.DocumentPools()
		}
		const eps = 1e-6
		found, _ := find(t, &c.Corpus, o)
		count := map[[2]int32]int{}
		used := map[int32]loader.Split{} // by class, of passages that are in no pair
		classes := map[[2]int32]bool{}
		for _, n := range found {
			query := c.Pairs.Left[n.Like]
			split := c.splitOf(int(n.Like))
			if c.barred(n.Like, n.Passage) || c.elsewhere(n.Passage, split) || o.Splits != nil && len(c.Pairs.Split) > 0 && split != loader.Train {
				t.Fatalf("round %d: %+v is none", round, n)
			}
			if before, again := used[c.Classes[n.Passage]]; again && before != split && !c.paired(n.Passage) {
				t.Fatalf("round %d: %+v is a negative in two splits", round, n)
			}
			used[c.Classes[n.Passage]] = split
			key := [2]int32{n.Like, c.Classes[n.Passage]}
			if classes[key] {
				t.Fatalf("round %d: %+v is there twice", round, n)
			}
			classes[key] = true
			count[[2]int32{n.Like, int32(n.Kind)}]++
			s, answer := c.cosine(query, n.Passage), c.answer(n.Like)
			ofAnswers := false
			for i, right := range c.Pairs.Right {
				if c.Pairs.Left[i] == query && c.Pairs.Group[i] == c.Pairs.Group[n.Like] && c.Pairs.Label[i] >= 0.5 && c.Sources[right] >= 0 && c.Sources[right] == c.Sources[n.Passage] {
					ofAnswers = true
				}
			}
			if n.Kind == loader.Weak {
				if ofAnswers {
					t.Fatalf("round %d: the weak %+v is from the document of an answer", round, n)
				}
				continue
			}
			l := o.Limits
			if l.Max != nil && s > *l.Max+eps || l.Min != nil && s < *l.Min-eps || l.Margin != nil && s > answer-*l.Margin+eps ||
				l.RelativeMargin != nil && s > answer-*l.RelativeMargin*math.Abs(answer)+eps {
				t.Fatalf("round %d: %+v with the cosine %g, the answer's is %g, against %+v", round, n, s, answer, l)
			}
			if o.Pools != nil && !ofAnswers {
				t.Fatalf("round %d: the hard %+v is from another document", round, n)
			}
			if math.Abs(s-float64(n.Similarity)) > eps {
				t.Fatalf("round %d: the cosine of %+v is %g", round, n, s)
			}
		}
		for key, n := range count {
			if n > map[int32]int{int32(loader.Hard): o.Hard, int32(loader.Weak): o.Weak}[key[1]] {
				t.Fatalf("round %d: %d negatives of kind %d", round, n, key[1])
			}
		}
		for _, threads := range []int{1, 5} {
			o.Threads = threads
			if again, _ := find(t, &c.Corpus, o); !slices.EqualFunc(again, found, same) {
				t.Fatalf("round %d: other negatives with %d threads", round, threads)
			}
		}
		if o.Seed++; o.Weak > 0 {
			if other, _ := find(t, &c.Corpus, o); slices.EqualFunc(other, found, same) {
				t.Errorf("round %d: the seed makes no difference", round)
			}
		}
	}
}

// Of 100 passages, each answers a hundredth of 100,000 queries; each is drawn
// about as often as others.
func TestWeakIsUniform(t *testing.T) {
	const passages, queries = 100, 100_000
	c := &Corpus{Pairs: &loader.Pairs{}, Middle: 0.5}
	for i := range int32(passages + queries) {
		c.IDs, c.Classes = append(c.IDs, loader.NewID(fmt.Sprint(i))), append(c.Classes, i)
	}
	p := c.Pairs
	for i := range int32(queries) {
		p.Groups = append(p.Groups, "")
		p.Left, p.Right = append(p.Left, passages+i), append(p.Right, i%passages)
		p.Group, p.Label, p.Kind = append(p.Group, i), append(p.Label, 1), append(p.Kind, loader.Positive)
	}
	for i := range int32(passages) {
		c.Passages = append(c.Passages, i)
	}
	found, report := find(t, c, Options{Weak: 1})
	if report.Weak.Complete != queries {
		t.Fatalf("%+v", report.Weak)
	}
	drawn := make([]float64, passages)
	for _, n := range found {
		drawn[n.Passage]++
	}
	chi := 0.0
	for _, n := range drawn {
		chi += (n - queries/passages) * (n - queries/passages) / (queries / passages)
	}
	// Of 99 degrees of freedom, between the 0.1 % and the 99.9 % quantile.
	if chi < 60 || chi > 148.2 {
		t.Errorf("χ² is %.1f", chi)
	}
}

// What is drawn for a query does not depend on others.
func TestDrawsAreIndependent(t *testing.T) {
	c := makeCorpus(3, 40, false)
	o := Options{Weak: 2, Hard: 2, Strategy: Random, Ranks: Ranks{To: 30}}
	all, _ := find(t, &c.Corpus, o)
	pairs := *c.Pairs
	half := &c.Corpus
	half.Pairs = &loader.Pairs{Groups: pairs.Groups}
	numbers := map[int32]int32{}
	asked := map[int32]bool{} // classes of queries that are left out
	for i := range pairs.Label {
		if pairs.Group[i]%2 == 1 {
			asked[c.Classes[pairs.Left[i]]] = true
		}
	}
	for i := range pairs.Label {
		if pairs.Group[i]%2 == 0 && !asked[c.Classes[pairs.Left[i]]] {
			numbers[int32(i)] = int32(half.Pairs.Len())
			half.Pairs.Left, half.Pairs.Right = append(half.Pairs.Left, pairs.Left[i]), append(half.Pairs.Right, pairs.Right[i])
			half.Pairs.Label, half.Pairs.Group = append(half.Pairs.Label, pairs.Label[i]), append(half.Pairs.Group, pairs.Group[i])
		}
	}
	var want []Negative
	for _, n := range all {
		if like, ok := numbers[n.Like]; ok {
			n.Like = like
			want = append(want, n)
		}
	}
	if got, _ := find(t, half, o); len(got) == 0 || !slices.EqualFunc(got, want, func(a, b Negative) bool { return a.Like == b.Like && a.Passage == b.Passage }) {
		t.Errorf("%d negatives, want %d of those that all queries together get", len(got), len(want))
	}
}

// A search of many queries and passages that the memory has no room for at once
// finds the same.
func TestMemory(t *testing.T) {
	c := makeCorpus(9, 200, true)
	o := Options{Hard: 2, Ranks: Ranks{To: 9}, Threads: 2}
	want, _ := find(t, &c.Corpus, o)
	o.Memory = 40 * (2*4*madeDim + 8*9)
	last, total := 0, 0
	o.Progress = func(done, of int) {
		if done < last {
			t.Errorf("progress went from %d back to %d", last, done)
		}
		last, total = done, of
	}
	got, report := find(t, &c.Corpus, o)
	if !slices.EqualFunc(got, want, same) {
		t.Error("other negatives")
	}
	if last != total || total != report.Queries {
		t.Errorf("progress ended at %d of %d, there are %d queries", last, total, report.Queries)
	}
}

// Errors of reading vectors and the end of the context end the search.
func TestSearchEnds(t *testing.T) {
	c := makeCorpus(9, 20, false)
	failed := errors.New("no disk")
	c.Vectors.Passages = func(texts []int32, dst []float32) error { return failed }
	if _, _, err := Find(context.Background(), &c.Corpus, Options{Hard: 1}); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	c = makeCorpus(9, 20, false)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Find(ctx, &c.Corpus, Options{Hard: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	c.Vectors.Passages = func(texts []int32, dst []float32) error { cancel(); return c.Vectors.Queries(texts, dst) }
	if _, _, err := Find(ctx, &c.Corpus, Options{Hard: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWrongOptions(t *testing.T) {
	c := makeCorpus(1, 5, false)
	for want, o := range map[string]Options{
		"no negatives are asked for: say how many hard or weak ones each query gets": {},
		"the number of negatives is below 0":                                         {Hard: -1, Weak: 2},
		`strategy "best" is unknown; there are: top, random, first`:                  {Hard: 1, Strategy: "best"},
	} {
		if _, _, err := Find(context.Background(), &c.Corpus, o); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	c.Vectors = nil
	want := "hard negatives are chosen by similarity, which needs the vectors of the texts: embed them"
	for _, o := range []Options{{Hard: 1}, {Hard: 1, Pools: []Pool{}, Limits: Limits{Max: new(0.5)}}, {Hard: 1, Pools: []Pool{}, Ranks: Ranks{From: 1}}} {
		if _, _, err := Find(context.Background(), &c.Corpus, o); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestParseRanks(t *testing.T) {
	if r, err := ParseRanks("10..50"); err != nil || r != (Ranks{10, 50}) {
		t.Errorf("%v, %v", r, err)
	}
	for _, s := range []string{"", "10", "10..", "..10", "5..5", "-1..5", "5..1", "1..2x", "1..2 3", "1.5..3", "1..99999999999"} {
		if r, err := ParseRanks(s); err == nil {
			t.Errorf("%q is %v", s, r)
		}
	}
}

// What must not be a negative of "a", which is the only query: itself, what it
// is similar to on either side and in another group, and what it is paired with
// elsewhere. Only text 7 is left.
func TestBarred(t *testing.T) {
	const a, aAgain, positive, onLeft, elsewhere, negative, ofGroup, left = 0, 1, 2, 3, 4, 5, 6, 7
	c := &Corpus{Middle: 0.5, Passages: []int32{0, 1, 2, 3, 4, 5, 6, 7}, Classes: []int32{0, 0, 2, 3, 4, 5, 6, 7}}
	for i := range int32(9) {
		c.IDs = append(c.IDs, loader.NewID(fmt.Sprint(i)))
	}
	c.Classes = append(c.Classes, 8)
	c.Pairs = &loader.Pairs{
		Groups: []string{"first", "second", "third"},
		Left:   []int32{a, onLeft, aAgain, a, 8},
		Right:  []int32{positive, a, elsewhere, negative, ofGroup},
		Label:  []float32{1, 1, 1, 0, 0},
		Group:  []int32{0, 1, 1, 2, 0},
	}
	found, _ := find(t, c, Options{Weak: 8})
	var of []int32
	for _, n := range found {
		if n.Like == 0 {
			of = append(of, n.Passage)
		}
	}
	if !slices.Equal(of, []int32{left}) {
		t.Errorf("negatives %v, want %d alone", of, left)
	}
}

// The random strategy draws from all that is in the range, about evenly.
func TestRandomStrategy(t *testing.T) {
	c := makeCorpus(11, 1, false)
	c.Pairs = &loader.Pairs{Groups: []string{""}, Left: []int32{300}, Right: []int32{0}, Label: []float32{1}, Group: []int32{0}}
	const draws, ranks = 4000, 20
	top, _ := find(t, &c.Corpus, Options{Hard: ranks, Ranks: Ranks{To: ranks}})
	count := map[int32]int{}
	for seed := range uint64(draws) {
		found, _ := find(t, &c.Corpus, Options{Hard: 1, Ranks: Ranks{To: ranks}, Strategy: Random, Seed: seed})
		count[found[0].Passage]++
	}
	chi := 0.0
	for _, n := range top {
		x := float64(count[n.Passage]) - draws/ranks
		chi += x * x / (draws / ranks)
	}
	if len(count) != ranks || chi > 43.8 { // the 99.9 % quantile of 19 degrees of freedom
		t.Errorf("%d passages were drawn, χ² is %.1f", len(count), chi)
	}
}
