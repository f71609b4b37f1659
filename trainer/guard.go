package trainer

import (
	"fmt"
	"math/rand/v2"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
)

// What a guard looks at, at most: enough for two digits.
const (
	guardTexts      = 4000
	guardQueries    = 1000 // of the texts
	guardNeighbours = 10
	guardPairs      = 50_000 // of a query and a text
)

// CheckGuard reports whether a matrix for the embeddings of data can be tried on
// the texts of guard that data do not have.
func CheckGuard(guard, data *loader.Dataset) error {
	const least = 2*guardNeighbours + 1
	if g, d := guard.Vectors.Dim, data.Vectors.Dim; g != d {
		return fmt.Errorf("%s has embeddings of %d dimensions and %s of %d: --guard takes texts with vectors of the same model", guard.Name, g, data.Name, d)
	}
	if OtherModel(guard.Model, data.Model) {
		return fmt.Errorf("%s has embeddings of %s and %s of %s: --guard takes texts with vectors of the same model", guard.Name, guard.Model, data.Name, data.Model)
	}
	if n := len(guardRows(guard, data)); n < least {
		return fmt.Errorf("%s has %d texts that are not in %s: --guard takes at least %d", guard.Name, n, data.Name, least)
	}
	return nil
}

// OtherModel reports whether two names are of different models. "" is unknown; the
// organisation is often left out.
func OtherModel(a, b string) bool {
	return a != "" && b != "" && path.Base(a) != path.Base(b)
}

// guardRows lists the rows of texts of guard that data do not have, at most
// guardTexts: those with the lowest ids, which are hashes.
func guardRows(guard, data *loader.Dataset) (rows []int32) {
	known := make(map[string]bool, data.Vectors.Rows())
	for _, id := range data.Vectors.IDs {
		known[id] = true
	}
	ids := guard.Vectors.IDs
	for row, id := range ids {
		if !known[id] {
			rows = append(rows, int32(row))
		}
	}
	slices.SortFunc(rows, func(a, b int32) int { return strings.Compare(ids[a], ids[b]) })
	return rows[:min(len(rows), guardTexts)]
}

// guarded says what a projection does to the texts of guard that data do not have:
// how many of a text's nearest neighbours stay so, and how much cosines keep
// their order. A text is a query, projected as left texts are, to others, projected
// as right ones are. CheckGuard must have passed.
func guarded(p *projection.Projection, guard, data *loader.Dataset, threads int) (*rundir.Guard, error) {
	rows := guardRows(guard, data)
	d, k, n := p.In, p.Out, len(rows)
	queries := min(n, guardQueries)
	x := make([]float32, n*d)
	if err := guard.Vectors.Read(rows, x); err != nil {
		return nil, err
	}
	right := make([]float32, n*k)
	applyTo(p.Right(), right, x, counting(n), d, threads)
	left := right[:queries*k]
	if p.Left() != p.Right() {
		left = make([]float32, queries*k)
		applyTo(p.Left(), left, x, counting(queries), d, threads)
	}
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	pool := kernel.NewPool(threads)
	pool.Normalize(n, d, x)
	pool.Normalize(n, k, right)
	if p.Left() != p.Right() {
		pool.Normalize(queries, k, left)
	}
	g := &rundir.Guard{Path: guard.Name, Texts: n, Queries: queries, Neighbours: guardNeighbours}
	g.NeighboursKept = rundir.Figure(neighboursKept(nearest(pool, x[:queries*d], x, d), nearest(pool, left, right, k)))
	before, after := pairCosines(x[:queries*d], x, d), pairCosines(left, right, k)
	g.Pairs, g.Spearman = len(before), rundir.Figure(spearman(before, after))
	return g, nil
}

// nearest lists the neighbours of each query, which is the text of the same
// number, among texts. Both are unit vectors of d dimensions.
func nearest(pool *kernel.Pool, queries, texts []float32, d int) [][]int32 {
	q, n := len(queries)/d, len(texts)/d
	s := pool.NewSearch(q, d, guardNeighbours, queries)
	s.Keep = func(query int, text int32) bool { return int32(query) != text }
	s.Add(n, 0, texts)
	out := make([][]int32, q)
	for i := range out {
		for _, hit := range s.Best(i) {
			out[i] = append(out[i], hit.Passage)
		}
	}
	return out
}

// neighboursKept is the share of neighbours before that are neighbours after.
func neighboursKept(before, after [][]int32) float64 {
	kept, all := 0, 0
	for i, list := range before {
		for _, n := range list {
			if slices.Contains(after[i], n) {
				kept++
			}
		}
		all += len(list)
	}
	return float64(kept) / float64(all)
}

// pairCosines returns the cosines of queries with other texts, all or as many as
// a guard looks at, drawn the same way each time.
func pairCosines(queries, texts []float32, d int) []float32 {
	q, n := len(queries)/d, len(texts)/d
	cosine := func(i, j int) float32 {
		var sum float64
		for c, v := range queries[i*d : (i+1)*d] {
			sum += float64(v) * float64(texts[j*d+c])
		}
		return float32(sum)
	}
	var out []float32
	if q*(n-1) <= guardPairs {
		for i := range q {
			for j := range n {
				if i != j {
					out = append(out, cosine(i, j))
				}
			}
		}
		return out
	}
	rng := rand.New(rand.NewPCG(bootstrapSeed, 0))
	for range guardPairs {
		i, j := rng.IntN(q), rng.IntN(n-1)
		if j >= i {
			j++
		}
		out = append(out, cosine(i, j))
	}
	return out
}
