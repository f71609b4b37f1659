//go:build gpu && linux

package cuda

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/cuda/internal/kernels"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/trainer"
)

// BenchmarkKernels times each kernel of a training step, InfoNCE's among them, by the
// GPU's own clock, beside what it must move. The batch of 1,000 pairs fits into an H100's cache.
func BenchmarkKernels(b *testing.B) {
	sizes, launches := [][3]int{{1000, 1536, 1024}, {8192, 1536, 1024}}, 50
	if devices, err := Devices(); errors.Is(err, ErrNoGPU) {
		b.Skip(err)
	} else if err == nil && strings.HasPrefix(devices[0].Name, "fake device") {
		sizes, launches = [][3]int{{8, 12, 8}}, 2
	}
	for _, p := range []Precision{FP32, TF32, BF16} {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/B=%d/d=%d/k=%d", p, size[0], size[1], size[2]), func(b *testing.B) {
				backend, err := open(settings{Options: Options{Precision: p, Cache: os.Getenv(cacheVariable)}})
				check(b, err)
				defer backend.Close()
				check(b, backend.enter())
				defer backend.leave()
				timeKernels(b, backend, size[0], size[1], size[2], launches)
			})
		}
	}
}

func check(b *testing.B, errs ...error) {
	b.Helper()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
}

// timeKernels gives the kernels arrays of a step of n pairs, [d, k].
func timeKernels(b *testing.B, backend *Backend, n, d, k, launches int) {
	operand := backend.precision.OperandSize()
	alloc := func(bytes int) nvidia.Pointer {
		p, err := backend.context.Alloc(bytes)
		check(b, err)
		backend.closing(func() error { return backend.context.Free(p) })
		return p
	}
	upload := func(bytes int, fill func(*nvidia.Pinned)) nvidia.Pointer {
		pinned, err := backend.context.AllocPinned(bytes)
		check(b, err)
		fill(pinned)
		p := alloc(bytes)
		check(b, backend.stream.ToDevice(p, pinned, 0, bytes), backend.stream.Synchronize(), pinned.Free())
		return p
	}
	floats := func(values []float32) nvidia.Pointer {
		return upload(4*len(values), func(p *nvidia.Pinned) { copy(nvidia.View[float32](p), values) })
	}
	rows := func(first int) nvidia.Pointer {
		return upload(4*n, func(p *nvidia.Pinned) {
			for i, view := 0, nvidia.View[int32](p); i < n; i++ {
				view[i] = int32(first + i)
			}
		})
	}
	job := kernels.Job{Table: floats(random(1, 2*n*d)), Left: rows(0), Right: rows(n), Labels: floats(random(2, n)), Lefts: int32(n), Width: int32(d)}
	job.Drop(graph.Dropout{Rate: 0.1, Seed: 1})
	staged := upload(kernels.JobSize, func(p *nvidia.Pinned) { job.Put(nvidia.View[byte](p)) })
	rule := trainer.Adam{}
	scalars := floats(rule.Scalars(graph.Hyper{LearningRate: 1e-3, Step: 1}))
	x, p, dp := alloc(2*n*d*operand), floats(random(3, 2*n*k)), alloc(2*n*k*operand)
	s, inverses, ds, mean := alloc(4*n), alloc(8*n), alloc(4*n), alloc(4)
	m, dm, copied := floats(random(4, d*k)), floats(random(5, d*k)), alloc(d*k*operand)
	weights := floats(random(6, k))
	slots := []nvidia.Pointer{floats(make([]float32, d*k)), floats(make([]float32, d*k))}

	loss, err := backend.compiler.Loss(backend.context, graph.MSE{}.CUDA(), 0)
	check(b, err)
	defer loss.Close()
	update, err := backend.compiler.Update(backend.context, rule.CUDA(), rule.Slots(), backend.precision)
	check(b, err)
	defer update.Close()
	contrast, err := backend.compiler.Contrast(backend.context, backend.precision)
	check(b, err)
	defer contrast.Close()
	left, right, gradient, out := alloc(n*k*operand), alloc(n*k*operand), floats(random(6, 2*n*k)), alloc(8*n*k)
	theta, similar, dsimilar, sums := floats([]float32{1}), floats(random(7, n*n)), alloc(n*n*operand), alloc(16*n)
	stream, step := backend.stream, backend.step
	for _, kernel := range []struct {
		name   string
		launch func() error
	}{
		{"gather", func() error { return step.Gather(stream, staged, x, 0, 2*n, 2*n, d) }},
		{"cosine", func() error { return step.Cosine(stream, p, s, inverses, n, k) }},
		{"loss", func() error { return loss.Run(stream, staged, s, 0, ds, 0, mean, n) }},
		{"pull", func() error { return step.Pull(stream, p, s, inverses, ds, dp, n, k) }},
		{"unit", func() error { return contrast.Unit(stream, p, left, right, inverses, n, k) }},
		{"contrast", func() error {
			return contrast.Contrast(stream, staged, theta, similar, dsimilar, sums, 0, n, n, false, 1)
		}},
		{"through_unit", func() error {
			return contrast.ThroughUnit(stream, p, inverses, gradient, gradient+nvidia.Pointer(4*n*k), out, n, k)
		}},
		{"as_is", func() error { return step.AsIs(stream, staged, p, n, k) }},
		{"diagonal", func() error { return step.Diagonal(stream, m, weights, dm, 0.1, d, k) }},
		{"diagonal_gradient", func() error { return step.DiagonalGradient(stream, m, dm, weights, 0.1, d, k) }},
		{"update", func() error { return update.Apply(stream, scalars, m, dm, slots, copied, d*k) }},
	} {
		budget, err := kernels.BudgetOf(kernel.name, n, d, k, backend.precision)
		check(b, err)
		b.Run(kernel.name, func(b *testing.B) {
			check(b, backend.enter()) // a benchmark is a goroutine of its own
			defer backend.leave()
			took := timeLaunches(b, backend, launches, kernel.launch)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(took.Nanoseconds())/1e3, "µs/launch")
			b.ReportMetric(float64(budget.Bytes)/took.Seconds()/1e9, "GB/s")
		})
	}
}

// timeLaunches is the least time of a launch in five rows of so many.
func timeLaunches(b *testing.B, backend *Backend, launches int, launch func() error) time.Duration {
	begin, err := backend.context.NewEvent(true)
	check(b, err)
	defer begin.Destroy()
	end, err := backend.context.NewEvent(true)
	check(b, err)
	defer end.Destroy()
	check(b, launch(), backend.stream.Synchronize())
	best := time.Hour
	for range 5 {
		check(b, backend.stream.Record(begin))
		for range launches {
			check(b, launch())
		}
		check(b, backend.stream.Record(end), end.Synchronize())
		took, err := end.Since(begin)
		check(b, err)
		best = min(best, took/time.Duration(launches))
	}
	return max(best, 1)
}
