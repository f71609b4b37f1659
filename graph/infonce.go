package graph

import "math"

// InfoNCE asks that a query's own passage is the most similar of all passages of
// the batch, those of its own negative pairs among them:
//
//	L = mean −log( e^(cos(a_i, b_i)/τ) / Σ_j e^(cos(a_i, b_j)/τ) )   over the positive pairs i
//
// where j runs over all pairs. Left out are passages that are no negatives:
// another answer of the group, the answer's text in another pair, the query
// itself. Symmetric adds the same for each passage among the queries of the
// positive pairs, and halves. Source: van den Oord, Li and Vinyals 2018; hard
// negatives as in sentence-transformers' MultipleNegativesRankingLoss.
type InfoNCE struct {
	Temperature float64 `json:"temperature"` // τ
	Symmetric   bool    `json:"symmetric"`
	// Learn lets a training learn the temperature, as the logarithm of its inverse.
	Learn bool `json:"learn,omitempty"`
}

var (
	_ DeviceVectorLoss = InfoNCE{}
	_ GroupLoss        = InfoNCE{}
	_ SimilarLoss      = InfoNCE{}
	_ FittedVectorLoss = InfoNCE{}
	_ Learner          = (*InfoNCE)(nil)
)

// Name returns "infonce".
func (InfoNCE) Name() string { return "infonce" }

// ComparesGroups marks a GroupLoss.
func (InfoNCE) ComparesGroups() {}

// Contrast is the loss itself.
func (l InfoNCE) Contrast() InfoNCE { return l }

// LearnsFromSimilar marks a SimilarLoss.
func (InfoNCE) LearnsFromSimilar() {}

// SetLearn sets Learn.
func (l *InfoNCE) SetLearn(learn bool) { l.Learn = learn }

// Parameters is −log τ, where that is learned.
func (l InfoNCE) Parameters() []float32 {
	if !l.Learn {
		return nil
	}
	return []float32{float32(-math.Log(l.Temperature))}
}

// At fixes it.
func (l InfoNCE) At(parameters []float32) Objective {
	return InfoNCE{Temperature: math.Exp(-float64(parameters[0])), Symmetric: l.Symmetric}
}

// EvaluateAt is Evaluate for another temperature.
func (l InfoNCE) EvaluateAt(v *Vectors, parameters, dp, byParameters []float32) (float64, error) {
	value, by, err := l.At(parameters).(InfoNCE).evaluate(v, dp)
	byParameters[0] = float32(by)
	return value, err
}

// Evaluate is the formula.
func (l InfoNCE) Evaluate(v *Vectors, dp []float32) (float64, error) {
	value, _, err := l.evaluate(v, dp)
	return value, err
}

// evaluate is the formula over some queries at a time, and the derivative by −log τ.
func (l InfoNCE) evaluate(v *Vectors, dp []float32) (loss, byParameter float64, err error) {
	u, inverse := v.Unit()
	du := v.Scratch(len(dp))
	clear(du)
	known := newAnswers(v)
	n := int32(v.Pairs())
	if len(known.pairs) == 0 {
		clear(dp)
		return 0, 0, nil
	}
	toPassages := contrast{v: v, u: u, du: du, temperature: l.Temperature, candidates: count(n, n)}
	for _, i := range known.pairs {
		toPassages.add(i, i, known.passages(i))
	}
	if l.Symmetric {
		toPassages.weight = 0.5
		toQueries := contrast{v: v, u: u, du: du, temperature: l.Temperature, weight: 0.5, candidates: known.pairs}
		for at, i := range known.pairs {
			toQueries.add(n+i, int32(at), known.queries(i))
		}
		loss, byParameter = toQueries.evaluate()
	} else {
		toPassages.weight = 1
	}
	value, by := toPassages.evaluate()
	v.ThroughUnit(u, inverse, du, dp)
	return loss + value, byParameter + by, nil
}

// count is n numbers from first on.
func count(first, n int32) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = first + int32(i)
	}
	return out
}

// A contrast is one direction of InfoNCE: each query has its own among the
// candidates.
type contrast struct {
	v           *Vectors
	u, du       []float32 // [2B, k] vectors of length 1, and what the derivative by them grows by
	temperature float64
	weight      float64

	candidates []int32   // rows of u
	queries    []int32   // rows of u
	own        []int32   // the candidate of each query
	leftOut    [][]int32 // candidates that do not count for it
}

func (c *contrast) add(query, own int32, leftOut []int32) {
	c.queries, c.own, c.leftOut = append(c.queries, query), append(c.own, own), append(c.leftOut, leftOut)
}

// similarities is how many of them are held at a time.
const similarities = 1 << 22

// evaluate returns the loss and its derivative by −log τ, and adds to du.
func (c *contrast) evaluate() (loss, byParameter float64) {
	k, n := c.v.K, len(c.candidates)
	most := max(1, min(similarities/n, len(c.queries)))
	candidates, dCandidates := c.v.Scratch(n*k), c.v.Scratch(n*k)
	q, dq, s := c.v.Scratch(most*k), c.v.Scratch(most*k), c.v.Scratch(most*n)
	c.gather(candidates, c.candidates)
	values, slopes := make([]float64, most), make([]float64, most)
	for first := 0; first < len(c.queries); first += most {
		m := min(most, len(c.queries)-first)
		rows := c.queries[first : first+m]
		c.gather(q, rows)
		c.v.Pool.GemmNT(m, n, k, q[:m*k], candidates, s[:m*n])
		c.v.eachRow(m, func(r int) { values[r], slopes[r] = c.row(first+r, s[r*n:(r+1)*n]) })
		for r := range m {
			loss, byParameter = loss+values[r], byParameter+slopes[r]
		}
		c.v.Pool.Gemm(m, k, n, s[:m*n], candidates, dq[:m*k])
		c.scatter(dq, rows)
		c.v.Pool.GemmTN(n, k, m, s[:m*n], q[:m*k], dCandidates)
		c.scatter(dCandidates, c.candidates)
	}
	mean := c.weight / float64(len(c.queries))
	return loss * mean, byParameter * mean
}

// row turns the similarities of a query into the derivative by them, and returns
// its loss and its derivative by −log τ, (Σ_j p_j·s_j − s_own)/τ.
func (c *contrast) row(query int, s []float32) (loss, byParameter float64) {
	for _, j := range c.leftOut[query] {
		s[j] = float32(math.Inf(-1))
	}
	own := c.own[query]
	most := math.Inf(-1)
	for _, x := range s {
		most = math.Max(most, float64(x)) // a NaN is the most
	}
	sum, expected, mine := 0.0, 0.0, float64(s[own])
	for j, x := range s {
		e := math.Exp((float64(x) - most) / c.temperature)
		s[j] = float32(e)
		sum += e
		if e != 0 { // which it is for what is left out, an infinity
			expected += e * float64(x)
		}
	}
	scale := c.weight / (c.temperature * float64(len(c.queries)))
	for j, e := range s {
		s[j] = float32(float64(e) / sum * scale)
	}
	s[own] -= float32(scale)
	return math.Log(sum) + (most-mine)/c.temperature, (expected/sum - mine) / c.temperature
}

// gather copies rows of u.
func (c *contrast) gather(to []float32, rows []int32) {
	k := c.v.K
	c.v.eachRow(len(rows), func(i int) { copy(to[i*k:(i+1)*k], c.u[int(rows[i])*k:]) })
}

// scatter adds to rows of du, each of which occurs once.
func (c *contrast) scatter(from []float32, rows []int32) {
	k := c.v.K
	c.v.eachRow(len(rows), func(i int) {
		to := c.du[int(rows[i])*k:][:k]
		for j, x := range from[i*k : (i+1)*k] {
			to[j] += x
		}
	})
}

// answers are what a batch says about which passages answer which queries.
type answers struct {
	v         *Vectors
	pairs     []int32 // the positive ones
	positives map[int32][]int32
	passageAt map[int32][]int32 // pairs by their right text
}

func newAnswers(v *Vectors) *answers {
	a := &answers{v: v, positives: map[int32][]int32{}, passageAt: map[int32][]int32{}}
	for i := range v.Pairs() {
		a.passageAt[v.Right[i]] = append(a.passageAt[v.Right[i]], int32(i))
		if v.Positive(i) {
			a.pairs = append(a.pairs, int32(i))
			a.positives[a.group(int32(i))] = append(a.positives[a.group(int32(i))], int32(i))
		}
	}
	return a
}

// group is that of a pair, or its left text where nobody knows groups.
func (a *answers) group(i int32) int32 {
	if len(a.v.Groups) == 0 {
		return a.v.Left[i]
	}
	return a.v.Groups[i]
}

// passages are the pairs whose passages are no negatives of pair i, which is not
// among them.
func (a *answers) passages(i int32) (out []int32) {
	leaveOut := func(text int32) {
		for _, j := range a.passageAt[text] {
			if j != i {
				out = append(out, j)
			}
		}
	}
	for _, j := range a.positives[a.group(i)] {
		leaveOut(a.v.Right[j])
	}
	leaveOut(a.v.Left[i])
	return out
}

// queries are the places in pairs of queries that the passage of pair i is no
// negative of.
func (a *answers) queries(i int32) (out []int32) {
	for at, j := range a.pairs {
		if j != i && (a.group(j) == a.group(i) || a.v.Right[j] == a.v.Right[i] || a.v.Left[j] == a.v.Left[i] || a.v.Left[j] == a.v.Right[i]) {
			out = append(out, int32(at))
		}
	}
	return out
}
