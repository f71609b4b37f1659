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
	p := NewPool(1)
	for b.Loop() {
		p.Peak(1000)
	}
	b.ReportMetric(p.PeakFLOP(1000)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkEnginePeak(b *testing.B) {
	if !Engine() {
		b.Skip("there is no matrix engine")
	}
	p := NewPool(1)
	for b.Loop() {
		p.EnginePeak(1000)
	}
	b.ReportMetric(p.EngineFLOP(1000)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
