//go:build openblas && !windows

package benchmarks

import (
	"context"
	"testing"

	"github.com/cosfit/cosfit/internal/kernel"
)

// TestOpenBLAS compares its products with ours, and lets Gorgonia make a step
// with it.
func TestOpenBLAS(t *testing.T) {
	lib, err := loadOpenBLAS()
	if err != nil {
		t.Skip(err)
	}
	if lib.version() == "unknown" || lib.corename() == "" {
		t.Errorf("version %q, kernel %q", lib.version(), lib.corename())
	}
	for _, what := range []string{projecting, gradient, comparing} {
		task := Task{Benchmark: Core, What: what, Batch: 5, D: 6, K: 7, Threads: 1}
		a, b, want := operands(task)
		got := make([]float32, len(want))
		lib.product(task, a, b, got)
		multiply(kernel.NewPool(1), task, a, b, want)
		for i := range want {
			if d := got[i] - want[i]; d > 1e-5 || d < -1e-5 {
				t.Fatalf("%s: entry %d is %g, want %g", what, i, got[i], want[i])
			}
		}
	}
	for _, c := range openBLAS() {
		for _, task := range tiny() {
			if !c.is.can(task) {
				continue
			}
			if ms, err := c.turn(context.Background(), request{Task: task}); err != nil || len(ms) == 0 {
				t.Errorf("%s, %s: %v, %v", c.is.Who, task.title(), ms, err)
			}
		}
	}
}
