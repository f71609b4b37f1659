package benchmarks

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/trainer"
)

// profileTime is how long a profile looks at steps, at least fifteen of them. It
// shows medians.
const profileTime = 500 * time.Millisecond

// A stage is a part of a step with what limits it: arithmetic, or memory, which
// a batch that fits into the caches need not wait for.
type stage struct {
	name  string
	flop  float64
	bytes float64
	do    func()
	ms    []float64
}

// limit is the least time that the stage can take, in milliseconds, on a
// machine of so many GFLOP/s and GB/s; 0 where neither says.
func (s *stage) limit(arithmetic, bandwidth float64) float64 {
	return math.Max(s.flop/arithmetic, s.bytes/bandwidth) / 1e6
}

// profile says where the time of a step of ours goes. The stages run as the
// graph runs them, after each other, since a stage finds in the caches what the
// one before has left there; what the whole step takes beyond them is Gorgonia's
// machine and our own bookkeeping. It may be nothing: a step packs M while others
// gather, which are stages of their own here.
func profile(t Task, step func() error) string {
	stages, close := stagesOf(t)
	manyTimes(func() {
		for i := range stages {
			start := time.Now()
			stages[i].do()
			stages[i].ms = append(stages[i].ms, msSince(start))
		}
	})
	close()
	var whole []float64
	var failed error
	manyTimes(func() {
		start := time.Now()
		failed = errors.Join(failed, step())
		whole = append(whole, msSince(start))
	})
	if failed != nil {
		return "" // the turns have said why
	}
	most, bandwidth := machineLimits(t.Threads)
	total := median(whole)
	rest := total
	var parts []string
	for _, s := range stages {
		ms := median(s.ms)
		rest -= ms
		of := ""
		if limit := s.limit(most, bandwidth); limit > 0 {
			of = fmt.Sprintf(", at %.0f %% of its limit", 100*limit/ms)
		}
		parts = append(parts, fmt.Sprintf("%s %.2g ms (%.0f %%%s)", s.name, ms, 100*ms/total, of))
	}
	return fmt.Sprintf("A step of %s pairs took %.3g ms: %s, the rest %.2g ms. The limits are %.0f GFLOP/s, and %.0f GB/s where memory is gone through.",
		humanize.Comma(int64(t.Batch)), total, strings.Join(parts, ", "), max(rest, 0), most, bandwidth)
}

func manyTimes(do func()) {
	for start, n := time.Now(), 0; n < 15 || time.Since(start) < profileTime; n++ {
		do()
	}
}

func msSince(start time.Time) float64 { return float64(time.Since(start).Nanoseconds()) / 1e6 }

// machineLimits measures the machine: arithmetic in GFLOP/s, copying in GB/s, both
// ways counted.
func machineLimits(threads int) (arithmetic, bandwidth float64) {
	rate := func(j job, amount float64) float64 {
		best := math.Inf(1)
		manyTimes(func() {
			start := time.Now()
			j.do()
			best = min(best, msSince(start))
		})
		if j.close != nil {
			j.close()
		}
		return amount / best / 1e6
	}
	arithmetic = rate(peakJob(Task{What: peak, Threads: threads}), peakFLOP(threads))
	if kernel.Engine() {
		arithmetic = rate(enginePeakJob(threads), engineFLOP(threads))
	}
	return arithmetic, rate(copyJob(threads), 2*copySize)
}

// stagesOf are the stages of a step, on the problem that the step has.
func stagesOf(t Task) (stages []stage, close func()) {
	pool := kernel.NewPool(t.Threads)
	pool.Keep()
	p := newProblem(t)
	x, g := pool.NewOperand(t.D, kernel.Single), pool.NewGradient(t.K, kernel.Single)
	left, right := make([]int32, t.Batch), make([]int32, t.Batch)
	for i := range left {
		left[i], right[i] = int32(i), int32(t.Batch+i)
	}
	projected, s := make([]float32, 2*t.Batch*t.K), make([]float32, t.Batch)
	ds, dm := make([]float32, t.Batch), make([]float32, t.D*t.K)
	const piece = 1 << 12
	velocity := make([]float32, t.D*t.K)
	descend := func(i int) {
		lo, hi := i*piece, min((i+1)*piece, t.D*t.K)
		trainer.SGD{}.Update(graph.Hyper{LearningRate: rate, Step: 1}, p.matrix[lo:hi], dm[lo:hi], [][]float32{velocity[lo:hi]})
	}
	n, d, k := float64(2*t.Batch), float64(t.D), float64(t.K)
	drop := kernel.Dropout{Rate: dropout, Seed: 1}
	const size = 4 // bytes of a number
	gathering := stage{name: "gathering with dropout", bytes: 2 * size * n * d, do: func() { drop.Step++; x.Gather(kernel.Source{Table: p.table}, left, right, drop) }}
	if kernel.Engine() { // the products gather
		gathering.name, gathering.bytes = "dropout's masks", 0
	}
	return []stage{
		gathering,
		{name: projecting, flop: 2 * n * d * k, do: func() { x.Times(p.matrix, t.K, projected) }},
		{name: "cosines", bytes: size * n * k, do: func() { g.Cosines(projected, s) }},
		{name: "loss", bytes: 3 * size * n / 2, do: func() { graph.MSE{}.Evaluate(graph.Scored{Cosines: s, Labels: p.labels}, ds) }},
		{name: "dP", bytes: 2 * size * n * k, do: func() { g.Pull(ds) }},
		{name: gradient, flop: 2 * n * d * k, do: func() { x.TransposedTimes(g, dm) }},
		{name: "update", bytes: 3 * size * d * k, do: func() { pool.Run((t.D*t.K+piece-1)/piece, descend) }},
	}, pool.Close
}
