//go:build gpu && linux

package cuda

import (
	"math"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/trainer"
)

// TestGradientOnDevice compares the gradient with the difference of the loss
// along it: L(M + εg/|g|) − L(M − εg/|g|) = 2ε|g|, but for ε³, which a difference
// over twice as much takes away.
func TestGradientOnDevice(t *testing.T) {
	for precision, tolerance := range map[Precision]float64{FP32: 1e-3, TF32: 1e-2, BF16: 1e-1} {
		t.Run(string(precision), func(t *testing.T) {
			b := openFor(t, Options{Precision: precision})
			defer func() { do(t, b.Close()) }()
			for _, way := range ways {
				if way.shape != nil && precision == BF16 {
					continue // which rounds away as much as so few numbers change
				}
				t.Run(way.name, func(t *testing.T) { alongGradient(t, b, way.history(), tolerance) })
			}
		})
	}
}

func alongGradient(t *testing.T, b *Backend, h history, tolerance float64) {
	const d, k, texts, pairs = 45, 33, 29, 37
	model := must(graph.NewShapedModel(b, h.shape, h.side, d, k, h.loss))(t)
	defer model.Close()
	must(model.Begin(random(3, h.side.Rows(d)*k), 1))(t)
	table := must(b.NewTable(d))(t)
	do(t, table.Set(random(1, texts*d)))
	batch := &graph.Batch{Table: table, Dropout: graph.Dropout{Rate: 0.2, Seed: 3}}
	for i := range int32(pairs) {
		batch.Left, batch.Right = append(batch.Left, i*5%texts), append(batch.Right, i*11%texts)
		batch.Labels = append(batch.Labels, float32(i%2))
	}
	m := random(2, model.Weights().Size())
	loss := func(m []float32) float64 {
		do(t, b.Upload(model.Weights(), m), model.Step(batch))
		return float64(must(model.Loss())(t))
	}
	loss(m)
	gradient := make([]float32, len(m))
	do(t, b.Download(gradient, model.Gradient()))
	length := norm(gradient)
	step := 5e-3 * norm(m)
	along := func(by float64) []float32 {
		moved := make([]float32, len(m))
		for i := range m {
			moved[i] = m[i] + float32(by*float64(gradient[i])/length)
		}
		return moved
	}
	difference := func(by float64) float64 { return loss(along(by)) - loss(along(-by)) }
	slope := (8*difference(step) - difference(2*step)) / (12 * step)
	e := math.Abs(slope/length - 1)
	if !(e <= tolerance) {
		t.Errorf("the loss rises by %v along a gradient of length %v: relative error %.2g, want at most %g", slope, length, e, tolerance)
	}
	t.Logf("relative error %.2g", e)
}

func norm(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// TestPyTorchOnDevice repeats the trainings that PyTorch recorded: the
// notebook's, SGD under one cycle with momentum that the schedule moves, among
// them. What a precision loses adds up from step to step.
func TestPyTorchOnDevice(t *testing.T) {
	r := backendtest.PyTorch(t)
	rules := map[string]graph.Rule{
		"sgd": trainer.SGD{}, "sgd with cycled momentum": trainer.SGD{}, "adam": trainer.Adam{}, "adamw": trainer.AdamW{WeightDecay: 0.01},
	}
	for precision, tolerance := range map[Precision]float64{FP32: 1e-5, TF32: 1e-2, BF16: 1e-1} {
		t.Run(string(precision), func(t *testing.T) {
			b := openFor(t, Options{Precision: precision})
			defer func() { do(t, b.Close()) }()
			for name, run := range r.Runs {
				momenta := run.Momenta
				if momenta == nil {
					momenta = make([]float64, len(run.Rates))
				}
				t.Run(name, func(t *testing.T) { r.Replay(t, b, rules[name], run, run.Rates, momenta, tolerance) })
			}
		})
	}
}
