package trainer_test

import (
	"math"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/trainer"
)

// A training gives what it gives in PyTorch: every loss, every learning rate, and the matrix.
func TestTrainingAgainstPyTorch(t *testing.T) {
	r := backendtest.PyTorch(t)
	tests := map[string]struct {
		rule     graph.Rule
		schedule trainer.Schedule
		rate     float64
	}{
		"sgd":                      {trainer.SGD{}, trainer.OneCycle{}, r.MaxRate},
		"sgd with cycled momentum": {trainer.SGD{}, trainer.OneCycle{CycleMomentum: true}, r.MaxRate},
		"adam":                     {trainer.Adam{}, trainer.Constant{}, 0.05},
		"adamw":                    {trainer.AdamW{WeightDecay: 0.01}, trainer.Constant{}, 0.05},
	}
	for name, want := range r.Runs {
		t.Run(name, func(t *testing.T) {
			test, ok := tests[name]
			if !ok {
				t.Fatal("recorded, but not replayed")
			}
			total := len(want.Rates)
			var rates []float64
			momenta := make([]float64, total)
			for step := 1; step <= total; step++ {
				rate := test.rate * test.schedule.Rate(step, total)
				if w := want.Rates[step-1]; !(math.Abs(rate-w) <= 1e-12*w) {
					t.Errorf("learning rate of step %d is %v, want %v", step, rate, w)
				}
				rates = append(rates, rate)
				if s, ok := test.schedule.(trainer.MomentumSchedule); ok && want.Momenta != nil {
					momenta[step-1] = s.Momentum(step, total)
					if w := want.Momenta[step-1]; !(math.Abs(momenta[step-1]-w) <= 1e-12) {
						t.Errorf("momentum of step %d is %v, want %v", step, momenta[step-1], w)
					}
				}
			}
			backend := cpu.New(2)
			defer backend.Close()
			r.Replay(t, backend, test.rule, want, rates, momenta, 1e-5)
		})
	}
}
