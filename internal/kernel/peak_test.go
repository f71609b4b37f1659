package kernel

import (
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	names := Names()
	if len(names) != len(micros()) || names[len(names)-1] != "generic" {
		t.Errorf("COSFIT_CPU can be %v", names)
	}
	for _, name := range names {
		if _, err := choose(name, micros()); err != nil {
			t.Error(err)
		}
	}
	if slices.Contains(names, "") {
		t.Errorf("COSFIT_CPU can be %q", names)
	}
}

func BenchmarkPeak(b *testing.B) {
	for b.Loop() {
		Peak(1)
	}
	b.ReportMetric(PeakFLOP()*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
