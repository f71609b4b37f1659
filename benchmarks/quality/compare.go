package main

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// A Comparison is the mean gain of a method over another on the same draws.
type Comparison struct {
	Set     string `json:"set"`
	Model   string `json:"model"`
	Size    int    `json:"size"`
	Method  string `json:"method"`
	Against string `json:"against"`
	Figure  string `json:"figure"`           // roc_auc, spearman or accuracy
	Unseen  bool   `json:"unseen,omitempty"` // without test pairs that share a text with the training split

	Draws int     `json:"draws"`
	Mean  float64 `json:"mean"` // of the method, over the draws
	Base  float64 `json:"base"` // of the other one
	Gain  float64 `json:"gain"`
	Low   float64 `json:"low"` // 95 % interval of the gain
	High  float64 `json:"high"`
	SE    float64 `json:"se"`
	P     float64 `json:"p"` // two-sided, of a gain of 0
	// Worse counts the draws in which the method is below the other one by more
	// than one standard error of that draw.
	Worse int `json:"worse"`
}

// resamples of the bootstrap.
const resamples = 1000

// compare makes the comparisons of the rows that are there. One resample draws
// groups with replacement, the same for both methods and for all draws, since a
// group may be in the test split of several.
func (s *study) compare(ctx context.Context) error {
	groups := &resampler{counts: map[string][]float64{}}
	type cell struct {
		size   int
		method string
	}
	// figures of each method: under each resample, for each draw
	values := map[cell]map[int]*estimate{}
	err := s.each(ctx, func(d *draw) error {
		for _, method := range s.methodsOf(d) {
			o, ok, err := s.rows.outcome(d, method)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			at := cell{d.size, method}
			if values[at] == nil {
				values[at] = map[int]*estimate{}
			}
			values[at][d.number] = groups.estimate(d, o, s.set.published)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var list []Comparison
	for _, size := range s.sizes {
		for _, pair := range pairings(s.rows.byKey, size) {
			mine, other := values[cell{size, pair[0]}], values[cell{size, pair[1]}]
			for _, k := range kinds(mine) {
				c, ok := comparison(mine, other, k)
				if !ok {
					continue
				}
				c.Set, c.Model, c.Size, c.Method, c.Against = s.set.name, s.model, size, pair[0], pair[1]
				list = append(list, c)
			}
		}
	}
	return writeLines(filepath.Join(s.out, s.set.name+"-"+s.model+".comparisons.jsonl"), list)
}

// methodsOf lists the methods that have a row of a draw, in order.
func (s *study) methodsOf(d *draw) (names []string) {
	for _, row := range s.rows.byKey {
		if row.Size == d.size && row.Draw == d.number && row.Incomplete == "" {
			names = append(names, row.Method)
		}
	}
	slices.Sort(names)
	return names
}

// pairings lists which methods are compared with which: ours with all others,
// what is for queries alone with what is, and what was tuned with what was.
func pairings(rows map[string]Row, size int) (pairs [][2]string) {
	sides := map[string]string{}
	for _, row := range rows {
		if row.Size == size {
			sides[row.Method] = row.Side
		}
	}
	var names []string
	for name := range sides {
		names = append(names, name)
	}
	slices.Sort(names)
	closed := map[string]bool{}
	for _, f := range closedForms() {
		closed[f.Name()] = true
	}
	for _, mine := range []string{ours, ours + tunedSuffix, oursQuery, oursQuery + tunedSuffix} {
		if sides[mine] == "" {
			continue
		}
		for _, other := range names {
			tuned := strings.HasSuffix(other, tunedSuffix)
			switch {
			case other == mine, closed[other], sides[mine] == querySide && sides[other] != querySide && other != untrained:
			case strings.HasSuffix(mine, tunedSuffix) && !tuned && other != untrained && other != strings.TrimSuffix(mine, tunedSuffix):
			case strings.HasPrefix(other, ours) && strings.HasPrefix(mine, ours) && mine != other+tunedSuffix:
			default:
				pairs = append(pairs, [2]string{mine, other})
			}
		}
	}
	return pairs
}

// A kind is a figure on a list of test pairs.
type kind struct {
	figure string
	unseen bool
}

// An estimate is a method's figures of one draw: as they are, and under each
// resample.
type estimate struct {
	value    map[kind]float64
	resample map[kind][]float64
}

func kinds(estimates map[int]*estimate) (list []kind) {
	for _, s := range estimates {
		for k := range s.value {
			if !slices.Contains(list, k) {
				list = append(list, k)
			}
		}
	}
	slices.SortFunc(list, func(a, b kind) int {
		if a.unseen != b.unseen {
			if b.unseen {
				return -1
			}
			return 1
		}
		return -strings.Compare(a.figure, b.figure)
	})
	return list
}

// A resampler draws groups, which it knows by their names.
type resampler struct {
	counts map[string][]float64 // of each group, in each resample
}

// of is how often a group is in each resample. The counts are Poisson numbers,
// the same for all draws and methods, and do not depend on which other groups
// there are: the bootstrap of Hanley and MacGibbon (2006).
func (r *resampler) of(group string) []float64 {
	counts := r.counts[group]
	if counts != nil {
		return counts
	}
	h := fnv.New64a()
	h.Write([]byte(group))
	rng := rand.New(rand.NewPCG(h.Sum64(), 0))
	counts = make([]float64, resamples)
	for i := range counts {
		for product := rng.Float64(); product > 1/math.E; product *= rng.Float64() {
			counts[i]++
		}
	}
	r.counts[group] = counts
	return counts
}

func (r *resampler) estimate(d *draw, o outcome, withUnseen bool) *estimate {
	out := &estimate{map[kind]float64{}, map[kind][]float64{}}
	r.add(out, d, o, false)
	if withUnseen {
		r.add(out, d, o, true)
	}
	return out
}

func (r *resampler) add(out *estimate, d *draw, o outcome, unseen bool) {
	scored, _ := d.figures(o, unseen)
	figures := map[string]func([]float64) float64{"roc_auc": scored.rocAUC}
	if scored.graded {
		figures = map[string]func([]float64) float64{"spearman": scored.spearman}
	} else if !math.IsNaN(scored.threshold) {
		figures["accuracy"] = scored.accuracy
	}
	counts := make([][]float64, len(scored.groups))
	for i, g := range scored.groups {
		counts[i] = r.of(d.all.Pairs.Groups[g])
	}
	weights := make([]float64, len(counts))
	for b := range resamples {
		for i, c := range counts {
			weights[i] = c[b]
		}
		for name, f := range figures {
			k := kind{name, unseen}
			out.resample[k] = append(out.resample[k], f(weights))
		}
	}
	for name, f := range figures {
		out.value[kind{name, unseen}] = f(nil)
	}
}

// comparison of the draws that both methods have.
func comparison(mine, other map[int]*estimate, k kind) (c Comparison, ok bool) {
	gains := make([]float64, resamples)
	for number, m := range mine {
		o := other[number]
		if o == nil || o.resample[k] == nil || m.resample[k] == nil {
			continue
		}
		c.Draws++
		c.Mean += m.value[k]
		c.Base += o.value[k]
		own := make([]float64, resamples)
		for b := range gains {
			own[b] = m.resample[k][b] - o.resample[k][b]
			gains[b] += own[b]
		}
		if m.value[k]-o.value[k] < -deviation(own) {
			c.Worse++
		}
	}
	if c.Draws == 0 {
		return c, false
	}
	n := float64(c.Draws)
	c.Figure, c.Unseen = k.figure, k.unseen
	c.Mean, c.Base = c.Mean/n, c.Base/n
	c.Gain = c.Mean - c.Base
	gains = slices.DeleteFunc(gains, math.IsNaN) // a resample with one kind of pair
	for i := range gains {
		gains[i] /= n
	}
	slices.Sort(gains)
	c.Low, c.High = quantile(gains, 0.025), quantile(gains, 0.975)
	c.SE = deviation(gains)
	c.P = 1
	if c.SE > 0 {
		c.P = math.Erfc(math.Abs(c.Gain) / c.SE / math.Sqrt2)
	}
	return c, true
}

func quantile(ascending []float64, q float64) float64 {
	at := q * float64(len(ascending)-1)
	i := int(at)
	if i+1 >= len(ascending) {
		return ascending[i]
	}
	return ascending[i] + (at-float64(i))*(ascending[i+1]-ascending[i])
}

func deviation(values []float64) float64 {
	n, sum, squares := 0.0, 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			n, sum = n+1, sum+v
		}
	}
	for _, v := range values {
		if !math.IsNaN(v) {
			squares += (v - sum/n) * (v - sum/n)
		}
	}
	return math.Sqrt(squares / (n - 1))
}

// holm returns the p-values adjusted for their number (Holm 1979).
func holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return a - b
	})
	out, highest := make([]float64, len(p)), 0.0
	for rank, i := range order {
		highest = max(highest, min(1, p[i]*float64(len(p)-rank)))
		out[i] = highest
	}
	return out
}
