package cpu_test

import (
	"errors"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/kernel"
)

func TestBackend(t *testing.T) {
	for _, threads := range []int{1, 3} {
		backendtest.Run(t, func(*testing.T) graph.Backend { return cpu.New(threads) }, backendtest.FP32)
	}
}

// Less than fp32 is as near as on a GPU, or refused.
func TestCoarseBackend(t *testing.T) {
	for precision, tolerance := range map[string]float64{"tf32": backendtest.TF32, "bf16": backendtest.BF16} {
		if !kernel.Engine() {
			if _, err := cpu.NewCoarse(1, precision); !errors.Is(err, cpu.ErrNoEngine) {
				t.Errorf("%s: %v", precision, err)
			}
			continue
		}
		t.Run(precision, func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) graph.Backend {
				b, err := cpu.NewCoarse(2, precision)
				if err != nil {
					t.Fatal(err)
				}
				if b.Precision() != precision {
					t.Errorf("it computes in %s", b.Precision())
				}
				return b
			}, tolerance)
		})
	}
	if _, err := cpu.NewCoarse(1, "fp8"); err == nil || errors.Is(err, cpu.ErrNoEngine) {
		t.Errorf("fp8: %v", err)
	}
}
