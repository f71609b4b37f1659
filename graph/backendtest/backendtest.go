// Package backendtest checks a backend against a float64 reference. A new
// backend passes when
//
//	backendtest.Run(t, open, backendtest.FP32)
//
// does: fresh random inputs of odd sizes, results written over NaN, NaN in the
// inputs that comes through, and every kernel in its documented behaviour. A
// new loss passes when [CheckLoss] does.
//
// Each test logs its seed; COSFIT_TEST_SEED=seed repeats it.
package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

// Tolerances of the relative error ‖out − reference‖/‖reference‖.
const (
	FP32 = 1e-5
	TF32 = 1e-3
	BF16 = 1e-2
)

// Run runs the suite. open is called for each test; the suite closes what it
// returns.
func Run(t *testing.T, open func(t *testing.T) graph.Backend, tolerance float64) {
	tests := map[string]func(*suite){
		"upload and download":  (*suite).transfers,
		"score":                (*suite).score,
		"score with dropout":   (*suite).dropout,
		"offset":               (*suite).offset,
		"a short batch after":  (*suite).shortBatch,
		"score of zeros":       (*suite).zeros,
		"score of equal texts": (*suite).equal,
		"project":              (*suite).project,
		"sides":                (*suite).sides,
		"shapes":               (*suite).shapes,
		"shapes of PyTorch":    (*suite).recordedShapes,
		"loss":                 (*suite).loss,
		"fitted loss":          (*suite).fittedLoss,
		"vector losses":        (*suite).vectorLosses,
		"update":               (*suite).update,
		"pair cosines":         (*suite).pairCosines,
		"similarities":         (*suite).similarities,
		"tables":               (*suite).tables,
		"NaN comes through":    (*suite).nan,
		"wrong arguments":      (*suite).wrong,
	}
	for _, name := range sortedNames(tests) {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			defer b.Close()
			tests[name](&suite{t, b, tolerance, newRand(t)})
		})
	}
}

func sortedNames[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

type suite struct {
	*testing.T
	backend   graph.Backend
	tolerance float64
	rng       *rand.Rand
}

// sizes are (d, k, B): odd, tall, wide, and single. Few dimensions come with
// several pairs, since one may be nearly parallel, where its gradient cancels.
var sizes = [][3]int{{3, 5, 4}, {7, 5, 3}, {33, 64, 17}, {64, 33, 130}, {129, 65, 67}, {96, 128, 1}}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) random(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(s.rng.NormFloat64())
	}
	return x
}

func (s *suite) rows(n, of int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(s.rng.IntN(of))
	}
	return out
}

func (s *suite) array(data []float32, shape ...int) graph.Array {
	s.Helper()
	a, err := s.backend.NewArray(shape...)
	s.must(err)
	s.must(s.backend.Upload(a, data))
	return a
}

func (s *suite) download(a graph.Array) []float32 {
	s.Helper()
	out := nans(a.Size())
	s.must(s.backend.Download(out, a))
	return out
}

// near compares by relative error, absolute where the reference is zero.
func (s *suite) near(what string, got []float32, want []float64) {
	s.Helper()
	s.compare(what, got, want, 1e-30, 0)
}

// compare takes the error as absolute where ‖reference‖ < least, and allows an
// absolute slack where that is more than the tolerance.
func (s *suite) compare(what string, got []float32, want []float64, least, slack float64) {
	s.Helper()
	if len(got) != len(want) {
		s.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	diff, norm := distance(Widen(got), want), distance(want, make([]float64, len(want)))
	if norm < least {
		norm = 1
	}
	if allowed := max(s.tolerance, slack/norm); !(diff/norm <= allowed) {
		s.Errorf("%s: relative error %.3g, want at most %.3g", what, diff/norm, allowed)
	}
}

// distance is ‖a − b‖.
func distance(a, b []float64) (sum float64) {
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum)
}

// slack is what rounding can make of a result: three times the largest change
// by some noise in the table and the matrix. The noise is up to half of the
// tolerance, as much as a precision rounds away. It exceeds the tolerance
// where few dimensions nearly cancel.
func (s *suite) slack(p *problem, result func(*Reference) []float64) (most float64) {
	want := result(p.ref)
	noisy := func(x []float64) []float64 {
		x = slices.Clone(x)
		for i := range x {
			x[i] *= 1 + s.tolerance/2*(2*s.rng.Float64()-1)
		}
		return x
	}
	for range 8 {
		ref := *p.ref
		ref.Table, ref.M = noisy(ref.Table), noisy(ref.M)
		most = max(most, 3*distance(result(&ref), want))
	}
	return most
}

// Widen returns numbers in double precision, as the reference computes.
func Widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// A problem is random inputs in the backend's memory and in the reference.
type problem struct {
	d, k, n int
	ref     *Reference
	m       graph.Array
	batch   *graph.Batch
}

func (s *suite) problem(d, k, n int) *problem {
	texts := n + 3
	table, m := s.random(texts*d), s.random(d*k)
	left, right := s.rows(n, texts), s.rows(n, texts)
	for i := range right {
		if right[i] == left[i] { // a text with itself has a test of its own
			right[i] = (left[i] + 1) % int32(texts)
		}
	}
	return &problem{d, k, n,
		&Reference{D: d, K: k, Table: Widen(table), M: Widen(m)},
		s.array(m, d, k),
		&graph.Batch{Table: s.array(table, texts, d), Left: left, Right: right, Labels: s.random(n)},
	}
}

func (s *suite) transfers() {
	x := s.random(15)
	a := s.array(x, 3, 5)
	if got := s.download(a); !slices.Equal(got, x) {
		s.Errorf("came back as %v, want %v", got, x)
	}
	zero, err := s.backend.NewArray(4)
	s.must(err)
	if got := s.download(zero); !slices.Equal(got, make([]float32, 4)) {
		s.Errorf("a new array holds %v, want zeros", got)
	}
}

func (s *suite) score() {
	for _, size := range sizes {
		p := s.problem(size[0], size[1], size[2])
		s.checkScore(s.newScore(p.d, p.k, p.n+5), p)
	}
}

func (s *suite) checkScore(kernel graph.ScoreKernel, p *problem) {
	s.Helper()
	scores, err := kernel.Forward(p.m, p.batch)
	s.must(err)
	of := fmt.Sprintf(" of %d pairs, %d → %d", p.n, p.d, p.k)
	// A cosine is rounded in proportion to the 1 that it could be, so that of a
	// single pair at right angles has no accurate digit.
	cosines := func(ref *Reference) []float64 { return ref.Scores(p.batch) }
	s.compare("cosines"+of, s.download(scores), cosines(p.ref), 1, s.slack(p, cosines))
	ds := s.random(len(p.batch.Left))
	dm, err := kernel.Backward(s.array(ds, len(ds)))
	s.must(err)
	gradient := func(ref *Reference) []float64 { return ref.ScoreGradient(p.batch, Widen(ds)) }
	s.compare("gradient"+of, s.download(dm), gradient(p.ref), 1e-30, s.slack(p, gradient))
}

func (s *suite) dropout() {
	for _, size := range sizes[1:] {
		p := s.problem(size[0], size[1], size[2])
		p.batch.Dropout = graph.Dropout{Rate: 0.3, Seed: s.rng.Uint64(), Step: s.rng.Uint32(), Row: s.rng.Uint32N(1000)}
		s.checkScore(s.newScore(p.d, p.k, p.n+5), p)
	}
}

// offset takes a vector off all embeddings, and then no longer.
func (s *suite) offset() {
	for _, size := range sizes[1:] {
		p := s.problem(size[0], size[1], size[2])
		less := s.random(p.d)
		p.ref.Less, p.batch.Offset = Widen(less), s.array(less, p.d)
		score, project := s.newScore(p.d, p.k, p.n+5), s.newProject(p.d, p.k, p.n+5)
		s.checkScore(score, p)
		s.checkProject(project, p)
		p.batch.Dropout = graph.Dropout{Rate: 0.3, Seed: s.rng.Uint64(), Step: s.rng.Uint32()}
		s.checkScore(score, p)
		again := *p.batch // a new batch, since a backend may know one by its address
		p.ref.Less, again.Offset, p.batch = nil, nil, &again
		s.checkScore(score, p)
	}
	p := s.problem(6, 4, 3)
	p.batch.Offset = s.array(s.random(5), 5)
	for name, forward := range map[string]func(graph.Array, *graph.Batch) (graph.Array, error){
		"score": s.newScore(6, 4, 3).Forward, "project": s.newProject(6, 4, 3).Forward,
	} {
		if _, err := forward(p.m, p.batch); err == nil || !strings.Contains(err.Error(), "offset of 5") {
			s.Errorf("%s with an offset of another length: error is %v", name, err)
		}
	}
}

// shortBatch runs one kernel over batches that shrink and grow.
func (s *suite) shortBatch() {
	kernel := s.newScore(19, 11, 25)
	for _, n := range []int{40, 7, 1, 41} {
		s.checkScore(kernel, s.problem(19, 11, n))
	}
}

func (s *suite) zeros() {
	p := s.problem(9, 6, 4)
	clear(p.ref.Table[:9])
	p.batch.Table = s.array(Narrow(p.ref.Table), p.n+3, 9)
	p.batch.Left, p.batch.Right = []int32{0, 1, 0, 2}, []int32{3, 0, 0, 4}
	s.checkScore(s.newScore(9, 6, 9), p)
}

// Narrow returns numbers in single precision, as backends take them.
func Narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// equal compares texts with themselves: the cosine is 1 and its gradient 0, so
// what is left of it is measured against the two terms that cancel.
func (s *suite) equal() {
	p := s.problem(31, 17, 5)
	copy(p.batch.Right, p.batch.Left)
	kernel := s.newScore(p.d, p.k, 9)
	scores, err := kernel.Forward(p.m, p.batch)
	s.must(err)
	s.near("cosines", s.download(scores), []float64{1, 1, 1, 1, 1})
	dm, err := kernel.Backward(s.array([]float32{1, 1, 1, 1, 1}, 5))
	s.must(err)
	for _, g := range s.download(dm) {
		if !(math.Abs(float64(g)) <= s.tolerance) {
			s.Errorf("gradient has %g, want at most %g", g, s.tolerance)
			break
		}
	}
}

func (s *suite) project() {
	for _, size := range sizes {
		p := s.problem(size[0], size[1], size[2])
		p.batch.Right = p.batch.Right[:p.n/2] // sides of different length
		s.checkProject(s.newProject(p.d, p.k, p.n+5), p)
	}
}

func (s *suite) checkProject(kernel graph.ProjectKernel, p *problem) {
	s.Helper()
	projected, err := kernel.Forward(p.m, p.batch)
	s.must(err)
	rows := append(slices.Clone(p.batch.Left), p.batch.Right...)
	var want []float64
	x := make([][]float64, len(rows))
	for i, row := range rows {
		x[i] = p.ref.Embedding(row, i, 0, graph.Dropout{})
		want = append(want, p.ref.Project(x[i])...)
	}
	s.near("projection", s.download(projected), want)
	dp := s.random(len(want))
	dm, err := kernel.Backward(s.array(dp, len(rows), p.k))
	s.must(err)
	gradient := make([]float64, p.d*p.k)
	for i := range rows {
		for c, v := range x[i] {
			for j := range p.k {
				gradient[c*p.k+j] += v * float64(dp[i*p.k+j])
			}
		}
	}
	s.near("gradient", s.download(dm), gradient)
}

func (s *suite) loss() {
	const n = 37
	cosines, labels := s.random(n), s.random(n)
	kernel := s.newLoss(n + 5)
	value, err := kernel.Forward(s.array(cosines, n), &graph.Batch{Labels: labels})
	s.must(err)
	want, gradient := 0.0, make([]float64, n)
	for i := range cosines {
		diff := float64(cosines[i]) - float64(labels[i])
		want += diff * diff / n
		gradient[i] = 2 * diff / n
	}
	s.near("loss", s.download(value), []float64{want})
	for _, upstream := range []float32{0.5, 0.5, 1, -3} { // a factor must not stay for the next call
		ds, err := kernel.Backward(upstream)
		s.must(err)
		times := slices.Clone(gradient)
		for i := range times {
			times[i] *= float64(upstream)
		}
		s.near(fmt.Sprintf("gradient times %g", upstream), s.download(ds), times)
	}
}

// decay is a rule with state, simple enough to follow by hand:
// v ← v/2 + g, w ← w − rate·step·v.
type decay struct{}

func (decay) Name() string { return "decay" }
func (decay) Slots() int   { return 1 }
func (decay) Update(h graph.Hyper, w, g []float32, slots [][]float32) {
	for i := range w {
		slots[0][i] = slots[0][i]/2 + g[i]
		w[i] -= float32(h.LearningRate*float64(h.Step)) * slots[0][i]
	}
}

func (decay) CUDA() string {
	return "slot[0] = slot[0] / 2 + g; w -= h[0] * slot[0];"
}

func (decay) Scalars(h graph.Hyper) []float32 {
	return []float32{float32(h.LearningRate * float64(h.Step))}
}

func (s *suite) update() {
	const n = 40000 // more than one piece of the work
	w, g := s.random(n), s.random(n)
	kernel, err := s.backend.NewUpdate(decay{}, n)
	s.must(err)
	parameter := s.array(w, n)
	want, v := Widen(w), make([]float64, n)
	for step := 1; step <= 3; step++ {
		s.must(kernel.Apply(graph.Hyper{LearningRate: 0.1, Step: step}, parameter, s.array(g, n)))
		for i := range want {
			v[i] = v[i]/2 + float64(g[i])
			want[i] -= 0.1 * float64(step) * v[i]
		}
	}
	s.near("parameter", s.download(parameter), want)
	s.near("state", s.download(kernel.State()[0]), v)
}

func (s *suite) pairCosines() {
	p := s.problem(21, 1, 70)
	poison := s.poisonRow(p, p.n+5)
	s.must(s.backend.PairCosines(p.batch.Table, poison, poison, nans(len(poison))))
	out := nans(p.n)
	s.must(s.backend.PairCosines(p.batch.Table, p.batch.Left, p.batch.Right, out))
	want := make([]float64, p.n)
	for i := range want {
		want[i] = Cosine(p.ref.Embedding(p.batch.Left[i], i, 0, graph.Dropout{}), p.ref.Embedding(p.batch.Right[i], i, 0, graph.Dropout{}))
	}
	s.near("cosines", out, want)
}

func (s *suite) similarities() {
	for _, k := range []int{21, 1000} { // a product may take a long sum in parts
		s.similaritiesOf(k)
	}
}

func (s *suite) similaritiesOf(k int) {
	p := s.problem(k, 1, 70)
	poison := s.poisonRow(p, p.n+5)
	kernel, err := s.backend.NewSimilarities(k)
	s.must(err)
	s.must(kernel.SetPassages(p.batch.Table, poison))
	s.must(kernel.SetPassages(p.batch.Table, p.batch.Right))
	s.must(kernel.AddQueries(p.batch.Table, p.batch.Left[:3]))
	s.must(kernel.AddQueries(p.batch.Table, p.batch.Left[3:]))
	all := nans(p.n * p.n)
	s.must(kernel.Of(0, p.n, all))
	var want []float64
	for _, q := range p.batch.Left {
		for _, passage := range p.batch.Right {
			want = append(want, Cosine(p.ref.Embedding(q, 0, 0, graph.Dropout{}), p.ref.Embedding(passage, 0, 0, graph.Dropout{})))
		}
	}
	s.near("similarities", all, want)

	// A passage at a time, and queries from the middle: the same bits.
	for j, passage := range p.batch.Right[:20] {
		s.must(kernel.SetPassages(p.batch.Table, []int32{passage}))
		out := nans(p.n - 2)
		s.must(kernel.Of(2, p.n-2, out))
		for i, got := range out {
			if want := all[(i+2)*p.n+j]; got != want {
				s.Fatalf("of %d dimensions, the cosine of query %d and passage %d is %v among all and %v by itself", k, i+2, j, want, got)
			}
		}
	}
}

func (s *suite) tables() {
	p := s.problem(7, 5, 6)
	vectors := Narrow(p.ref.Table)
	want := nans(p.n)
	s.must(s.backend.PairCosines(p.batch.Table, p.batch.Left, p.batch.Right, want))
	table, err := s.backend.NewTable(7)
	s.must(err)
	s.must(table.Set(nans(7 * 40)))
	s.must(table.Set(vectors))
	if got := []int(table.Shape()); !slices.Equal(got, []int{len(vectors) / 7, 7}) {
		s.Errorf("the shape is %v for %d numbers", got, len(vectors))
	}
	got := nans(p.n)
	s.must(s.backend.PairCosines(table, p.batch.Left, p.batch.Right, got))
	if !slices.Equal(got, want) {
		s.Errorf("cosines %v of a table, want %v", got, want)
	}
	p.batch.Table = table
	scores, err := s.newScore(7, 5, p.n).Forward(p.m, p.batch)
	s.must(err)
	s.download(scores)
	if err := table.Set(vectors[:8]); err == nil {
		s.Error("a table of a row and a bit is accepted")
	}
}

func (s *suite) nan() {
	p := s.problem(12, 8, 5)
	table := Narrow(p.ref.Table)
	table[12] = float32(math.NaN())
	p.batch.Table = s.array(table, p.n+3, 12)
	p.batch.Left = []int32{1, 2, 3, 4, 5}
	p.batch.Right = []int32{0, 0, 0, 0, 0}
	kernel := s.newScore(12, 8, 9)
	scores, err := kernel.Forward(p.m, p.batch)
	s.must(err)
	if got := s.download(scores); got[0] == got[0] || got[1] != got[1] {
		s.Errorf("cosines are %v, want NaN in the first place alone", got)
	}
	dm, err := kernel.Backward(s.array([]float32{1, 1, 1, 1, 1}, 5))
	s.must(err)
	if got := s.download(dm); !slices.ContainsFunc(got, func(x float32) bool { return x != x }) {
		s.Error("a NaN in the embeddings has vanished from the gradient")
	}
}

func (s *suite) wrong() {
	p := s.problem(6, 4, 3)
	kernel, err := s.backend.NewScore(5, 4)
	s.must(err)
	if _, err := kernel.Forward(p.m, p.batch); err == nil || !strings.Contains(err.Error(), "6") {
		s.Errorf("embeddings of another length: error is %v", err)
	}
	if err := s.backend.Upload(p.m, make([]float32, 3)); err == nil {
		s.Error("an upload of too few numbers is accepted")
	}
	if err := s.backend.Download(make([]float32, 3), p.m); err == nil {
		s.Error("a download into too few numbers is accepted")
	}
}
