package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/trainer"
)

// A speed is what was measured, each the best of several: a machine's other
// work can only slow it down.
type speed struct {
	OneThread       rundir.Figure `json:"one_thread_gflops"`
	AllThreads      rundir.Figure `json:"all_threads_gflops"`
	Peak            rundir.Figure `json:"peak_gflops"`        // of multiplications and additions alone, on all threads
	EnginePeak      rundir.Figure `json:"engine_peak_gflops"` // of the matrix engine in single precision, on all threads; null: there is none
	CopyGBPerSecond rundir.Figure `json:"copy_gb_per_second"` // read and written, on all threads
}

// gflops is a speed in three digits, or in all there are before the point.
func gflops(f rundir.Figure) string {
	if f >= 1000 {
		return humanize.Comma(int64(f + 0.5))
	}
	return fmt.Sprintf("%.3g", float64(f))
}

// peaks describes what the processor could do at most.
func (s speed) peaks() string {
	text := gflops(s.Peak) + " GFLOP/s of fused multiply-add"
	if s.EnginePeak.Known() {
		text += ", " + gflops(s.EnginePeak) + " of the matrix engine"
	}
	return text
}

func (s speed) products(threads int) string {
	if threads == 1 {
		return gflops(s.OneThread) + " GFLOP/s on one thread"
	}
	return fmt.Sprintf("%s GFLOP/s on one thread, %s on all %d", gflops(s.OneThread), gflops(s.AllThreads), threads)
}

// measureFor is how long each measurement repeats.
const measureFor = 300 * time.Millisecond

// measure times matrix products and copying.
func measure(ctx context.Context, threads int, available rundir.Figure) (s speed, err error) {
	if s.OneThread, err = productSpeed(ctx, 1); err != nil {
		return s, err
	}
	s.AllThreads = s.OneThread
	if threads > 1 {
		if s.AllThreads, err = productSpeed(ctx, threads); err != nil {
			return s, err
		}
	}
	if s.Peak, err = peakSpeed(ctx, threads); err != nil {
		return s, err
	}
	if s.EnginePeak, err = enginePeakSpeed(ctx, threads); err != nil {
		return s, err
	}
	s.CopyGBPerSecond, err = copySpeed(ctx, threads, available)
	return s, err
}

// productSpeed is in GFLOP/s, of a product about as large as a training step's.
func productSpeed(ctx context.Context, threads int) (rundir.Figure, error) {
	const m, n, k = 2048, 512, 512
	random := rand.New(rand.NewPCG(1, 2))
	a, b, c := normal(random, m*k), normal(random, k*n), make([]float32, m*n)
	pool := kernel.NewPool(threads)
	pool.Keep()
	defer pool.Close()
	best, err := fastest(ctx, func() { pool.Gemm(m, n, k, a, b, c) })
	return rundir.Figure(2 * m * n * k / best.Seconds() / 1e9), err
}

// peakSpeed is in GFLOP/s, of what never leaves the nearest cache.
func peakSpeed(ctx context.Context, threads int) (rundir.Figure, error) {
	const tiles = 1000
	pool := kernel.NewPool(threads)
	pool.Keep()
	defer pool.Close()
	best, err := fastest(ctx, func() { pool.Peak(tiles) })
	return rundir.Figure(pool.PeakFLOP(tiles) / best.Seconds() / 1e9), err
}

// enginePeakSpeed is in GFLOP/s, of what never leaves the engine's registers.
func enginePeakSpeed(ctx context.Context, threads int) (rundir.Figure, error) {
	if !kernel.Engine() {
		return rundir.None, nil
	}
	const steps = 10_000
	pool := kernel.NewPool(threads)
	pool.Keep()
	defer pool.Close()
	best, err := fastest(ctx, func() { pool.EnginePeak(steps) })
	return rundir.Figure(pool.EngineFLOP(steps) / best.Seconds() / 1e9), err
}

// copySpeed copies 256 MB, or less where little memory is available, and
// nothing where that would fit into a cache.
func copySpeed(ctx context.Context, threads int, available rundir.Figure) (rundir.Figure, error) {
	size := 256_000_000
	if available.Known() {
		size = min(size, int(float64(available)/8))
	}
	if size < 64_000_000 {
		return rundir.None, nil
	}
	from, to := make([]byte, size), make([]byte, size)
	for i := range from {
		from[i] = byte(i) // untouched pages all show the same zeros
	}
	pool := kernel.NewPool(threads)
	best, err := fastest(ctx, func() {
		pool.Run(threads, func(i int) {
			lo, hi := size*i/threads, size*(i+1)/threads
			copy(to[lo:hi], from[lo:hi])
		})
	})
	return rundir.Figure(2 * float64(size) / best.Seconds() / 1e9), err
}

// fastest repeats work, after a first time that does not count, and returns its
// shortest time.
func fastest(ctx context.Context, work func()) (time.Duration, error) {
	work()
	best := time.Duration(math.MaxInt64)
	for begun := time.Now(); time.Since(begun) < measureFor; {
		if err := interrupted(ctx); err != nil {
			return best, err
		}
		start := time.Now()
		work()
		best = min(best, max(1, time.Since(start)))
	}
	return best, nil
}

func normal(random *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(random.NormFloat64())
	}
	return x
}

// A check is the outcome of the self-test.
type check struct {
	Passed bool          `json:"passed"`
	Error  rundir.Figure `json:"relative_error"`
	Text   string        `json:"text"`
}

// selfTestTolerance is for the relative error ‖got − want‖/‖want‖. Single
// precision rounds to 6e-8, and a step sums a few dozen products.
const selfTestTolerance = 1e-6

// selfTest makes one small training step on a backend and compares the loss,
// the gradient and the new matrix with those in double precision.
func selfTest(b graph.Backend, tolerance float64) check {
	p := newProblem()
	got, err := p.step(b)
	if err != nil {
		return check{Error: rundir.None, Text: "a training step failed: " + err.Error()}
	}
	worst := 0.0
	for i, want := range p.reference() {
		worst = max(worst, relativeError(got[i], want)) // NaN stays
	}
	c := check{Passed: worst <= tolerance, Error: rundir.Figure(worst)}
	c.Text = fmt.Sprintf("a training step agrees with double precision to %.0e", worst)
	if !c.Passed {
		c.Text = fmt.Sprintf("a training step differs from double precision by %.0e, more than %.0e", worst, tolerance)
	}
	return c
}

// A problem is a small training step. The sizes are odd, so that every kernel
// meets its edges.
type problem struct {
	d, k, texts           int
	table, matrix, labels []float32
	left, right           []int32
}

const selfTestRate = 0.5

func newProblem() problem {
	const pairs = 37
	random := rand.New(rand.NewPCG(3, 4))
	p := problem{d: 45, k: 35, texts: 29}
	p.table, p.matrix = normal(random, p.texts*p.d), normal(random, p.d*p.k)
	for range pairs {
		p.left = append(p.left, int32(random.IntN(p.texts)))
		p.right = append(p.right, int32(random.IntN(p.texts)))
		p.labels = append(p.labels, float32(random.IntN(2)))
	}
	return p
}

// step returns the loss, the gradient and the matrix after one step of SGD.
func (p problem) step(b graph.Backend) (results [3][]float32, err error) {
	table, err := b.NewArray(p.texts, p.d)
	if err != nil {
		return results, err
	}
	model, err := graph.NewModel(b, p.d, p.k, graph.MSE{})
	if err != nil {
		return results, err
	}
	defer model.Close()
	update, err := b.NewUpdate(trainer.SGD{}, p.d*p.k)
	if err != nil {
		return results, err
	}
	if err := b.Upload(table, p.table); err != nil {
		return results, err
	}
	if err := b.Upload(model.Matrix(), p.matrix); err != nil {
		return results, err
	}
	if err := model.Step(&graph.Batch{Table: table, Left: p.left, Right: p.right, Labels: p.labels}); err != nil {
		return results, err
	}
	loss, err := model.Loss()
	if err != nil {
		return results, err
	}
	if err := update.Apply(graph.Hyper{LearningRate: selfTestRate, Step: 1}, model.Matrix(), model.Gradient()); err != nil {
		return results, err
	}
	results = [3][]float32{{loss}, make([]float32, p.d*p.k), make([]float32, p.d*p.k)}
	if err := b.Download(results[1], model.Gradient()); err != nil {
		return results, err
	}
	return results, b.Download(results[2], model.Matrix())
}

// reference computes the same in double precision, formula by formula:
// s = p·q/(|p||q|), L = mean (s − y)², ∂s/∂p = q/(|p||q|) − s·p/|p|².
func (p problem) reference() [3][]float64 {
	loss, gradient, matrix := 0.0, make([]float64, p.d*p.k), make([]float64, p.d*p.k)
	n := float64(len(p.labels))
	for i, label := range p.labels {
		a, c := p.embedding(p.left[i]), p.embedding(p.right[i])
		u, v := p.project(a), p.project(c)
		uu, vv := dot(u, u), dot(v, v)
		length := math.Sqrt(uu * vv)
		s := dot(u, v) / length
		diff := s - float64(label)
		loss += diff * diff / n
		for row := range a {
			for j := range u {
				byU, byV := v[j]/length-s*u[j]/uu, u[j]/length-s*v[j]/vv
				gradient[row*p.k+j] += 2 * diff / n * (float64(a[row])*byU + float64(c[row])*byV)
			}
		}
	}
	for i, m := range p.matrix {
		matrix[i] = float64(m) - selfTestRate*gradient[i]
	}
	return [3][]float64{{loss}, gradient, matrix}
}

func (p problem) embedding(row int32) []float32 { return p.table[int(row)*p.d:][:p.d] }

func (p problem) project(x []float32) []float64 {
	out := make([]float64, p.k)
	for row, v := range x {
		for j := range out {
			out[j] += float64(v) * float64(p.matrix[row*p.k+j])
		}
	}
	return out
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func relativeError(got []float32, want []float64) float64 {
	off, size := 0.0, 0.0
	for i, w := range want {
		off += (float64(got[i]) - w) * (float64(got[i]) - w)
		size += w * w
	}
	return math.Sqrt(off / size)
}
