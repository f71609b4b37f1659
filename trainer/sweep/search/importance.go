package search

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// An Importance says how much of what trials differ by is due to which parameter.
type Importance struct {
	Method string  // "fANOVA"
	Trials int     // from which it was learned
	Shares []Share // the largest first
	Rest   float64 // the share of what parameters do only together
}

// A Share is the part of the variance over the whole space that one parameter
// explains by itself, 0 to 1.
type Share struct {
	Parameter string
	Share     float64
}

// fewest is the number of trials from which something can be learned.
const fewest = 10

// ImportanceOf is functional analysis of variance: a random forest learns the
// value from the point, and is then integrated exactly, so that it does not
// matter where in the space a sampler looked. Source: Hutter, Hoos and
// Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance"
// (ICML 2014).
//
// The space is measured as the random sampler draws from it. A parameter with a
// condition counts where it exists: its share is the variance of its mean effect
// there, times the part of the space that this is. The paper gives a default to
// parameters that do not exist; here trees know that they do not.
//
// It learns from trials that are complete and from those that were pruned,
// whose value is that of fewer epochs.
func ImportanceOf(s space.Space, history []Trial, rng *rand.Rand) (Importance, error) {
	const trees = 64
	z := sampleOf(s, history)
	if len(z.y) < fewest {
		return Importance{}, fmt.Errorf("the importance of parameters needs at least %d trials with a value, and there are %d", fewest, len(z.y))
	}
	m := newMeasure(s)
	sums := make([]float64, len(s))
	counted := 0
	for _, tree := range grow(z, trees, rng) {
		leaves := m.leaves(tree)
		all := m.variance(leaves)
		if all <= 0 {
			continue // a tree that knows one value
		}
		counted++
		for i := range s {
			sums[i] += m.explained(leaves, i) / all
		}
	}
	result := Importance{Method: "fANOVA", Trials: len(z.y), Rest: 1}
	for i, p := range s {
		share := sums[i] / float64(max(1, counted))
		result.Shares = append(result.Shares, Share{p.Name, share})
		result.Rest -= share
	}
	result.Rest = max(0, result.Rest) // rounding
	if counted == 0 {
		result.Rest = 0
	}
	slices.SortStableFunc(result.Shares, func(a, b Share) int { return cmp.Compare(b.Share, a.Share) })
	return result, nil
}

// A measure is how likely the random sampler is to draw from a part of the space.
type measure struct {
	choices    []int     // of each parameter, without the absent one; 0 for a range
	roots      []int     // parameters without a condition
	dependents [][]int   // of each parameter, those whose condition names it
	exists     [][]bool  // [parameter][choice of the one that its condition names]
	part       []float64 // of the space in which a parameter exists
}

func newMeasure(s space.Space) *measure {
	n := len(s)
	m := &measure{choices: make([]int, n), dependents: make([][]int, n), exists: make([][]bool, n), part: make([]float64, n)}
	index := map[string]int{}
	for i, p := range s {
		index[p.Name] = i
		if axisOf(p.Distribution) == nil {
			m.choices[i] = p.Distribution.Count()
		}
		if p.When == nil {
			m.roots = append(m.roots, i)
			m.part[i] = 1
			continue
		}
		parent := index[p.When.Parameter]
		m.dependents[parent] = append(m.dependents[parent], i)
		m.part[i] = m.part[parent] * float64(len(p.When.Values)) / float64(m.choices[parent])
		for c := range m.choices[parent] {
			m.exists[i] = append(m.exists[i], slices.Contains(p.When.Values, s[parent].Distribution.Text(float64(c))))
		}
	}
	return m
}

// A leaf is the box that a tree's leaf covers, and what it predicts there.
type leaf struct {
	above, upTo []float64 // of ranges
	may         [][]bool  // of choices, and last the absent one
	value       float64
}

// leaves are those of a tree. Their values are differences from the mean of
// its trials, so that squares lose no digits.
func (m *measure) leaves(tree *node) []leaf {
	whole := leaf{}
	for _, n := range m.choices {
		whole.above, whole.upTo = append(whole.above, math.Inf(-1)), append(whole.upTo, math.Inf(1))
		var may []bool
		if n > 0 {
			may = slices.Repeat([]bool{true}, n+1)
		}
		whole.may = append(whole.may, may)
	}
	var all []leaf
	var walk func(n *node, l leaf)
	walk = func(n *node, l leaf) {
		if n.left == nil {
			l.value = n.value - tree.value
			all = append(all, l)
			return
		}
		left, right := l.divided(n)
		walk(n.left, left)
		walk(n.right, right)
	}
	walk(tree, whole)
	return all
}

func (l leaf) divided(n *node) (left, right leaf) {
	p := n.parameter
	left, right = l, l
	if n.leftOfChoice == nil {
		left.upTo, right.above = slices.Clone(l.upTo), slices.Clone(l.above)
		left.upTo[p], right.above[p] = min(l.upTo[p], n.threshold), max(l.above[p], n.threshold)
		return left, right
	}
	left.may, right.may = slices.Clone(l.may), slices.Clone(l.may)
	left.may[p], right.may[p] = slices.Clone(l.may[p]), slices.Clone(l.may[p])
	for c, isLeft := range n.leftOfChoice {
		left.may[p][c] = left.may[p][c] && isLeft
		right.may[p][c] = right.may[p][c] && !isLeft
	}
	return left, right
}

// A fixed parameter has one value, of which a range's is left to the caller;
// only points that have the parameter count then, and that it has this value
// has the probability 1.
type fixed struct{ parameter, choice int }

// nothing is fixed.
func nothing() fixed { return fixed{-1, -1} }

// volume is the probability of a leaf.
func (m *measure) volume(l leaf, f fixed) float64 {
	v := 1.0
	for _, i := range m.roots {
		v *= m.side(l, i, f)
	}
	return v
}

// side is the probability of what a leaf allows for a parameter that exists
// and for all that depend on it.
func (m *measure) side(l leaf, i int, f fixed) float64 {
	switch {
	case i == f.parameter && m.choices[i] == 0:
		return 1
	case i == f.parameter:
		return m.choice(l, i, f.choice, f)
	case m.choices[i] == 0:
		return max(0, min(1, l.upTo[i])-max(0, l.above[i]))
	}
	sum := 0.0
	for c := range m.choices[i] {
		sum += m.choice(l, i, c, f)
	}
	return sum / float64(m.choices[i])
}

// choice is side given one choice.
func (m *measure) choice(l leaf, i, c int, f fixed) float64 {
	if !l.may[i][c] {
		return 0
	}
	v := 1.0
	for _, d := range m.dependents[i] {
		if m.exists[d][c] {
			v *= m.side(l, d, f)
		} else {
			v *= m.without(l, d, f)
		}
	}
	return v
}

// without is side of a parameter that does not exist: 0 or 1.
func (m *measure) without(l leaf, i int, f fixed) float64 {
	allowed := l.above[i] < absent && absent <= l.upTo[i]
	if m.choices[i] > 0 {
		allowed = l.may[i][m.choices[i]]
	}
	if !allowed || i == f.parameter {
		return 0
	}
	v := 1.0
	for _, d := range m.dependents[i] {
		v *= m.without(l, d, f)
	}
	return v
}

// variance is that of a tree's prediction.
func (m *measure) variance(leaves []leaf) float64 {
	mean, volumes := 0.0, make([]float64, len(leaves))
	for k, l := range leaves {
		volumes[k] = m.volume(l, nothing())
		mean += volumes[k] * l.value
	}
	v := 0.0
	for k, l := range leaves {
		v += volumes[k] * (l.value - mean) * (l.value - mean)
	}
	return v
}

// explained is the variance of the mean prediction at each value of a
// parameter, times the part of the space in which it exists.
func (m *measure) explained(leaves []leaf, i int) float64 {
	if m.choices[i] > 0 {
		return m.explainedByChoice(leaves, i)
	}
	// The mean at x is the sum of what each leaf that has x adds: steps up where
	// a leaf begins, and down where it ends.
	type step struct{ x, by float64 }
	var steps []step
	for _, l := range leaves {
		from, to := max(0, l.above[i]), min(1, l.upTo[i])
		if from < to {
			by := m.volume(l, fixed{parameter: i}) * l.value / m.part[i]
			steps = append(steps, step{from, by}, step{to, -by})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.x, b.x) })
	mean, squares, level, x := 0.0, 0.0, 0.0, 0.0
	for _, s := range steps {
		mean += level * (s.x - x)
		squares += level * level * (s.x - x)
		level, x = level+s.by, s.x
	}
	return m.part[i] * max(0, squares-mean*mean)
}

func (m *measure) explainedByChoice(leaves []leaf, i int) float64 {
	mean, squares := 0.0, 0.0
	for c := range m.choices[i] {
		level := 0.0
		for _, l := range leaves {
			level += m.volume(l, fixed{i, c}) * l.value / m.part[i]
		}
		mean += level / float64(m.choices[i])
		squares += level * level / float64(m.choices[i])
	}
	return m.part[i] * max(0, squares-mean*mean)
}
