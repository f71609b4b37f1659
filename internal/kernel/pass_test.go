package kernel

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkPasses times what a step does beside its products, at 1,000 pairs,
// 1,536 → 1,024, on one thread.
func BenchmarkPasses(b *testing.B) {
	const pairs, d, k = 1000, 1536, 1024
	rng := rand.New(rand.NewPCG(1, 2))
	table, rows := random(rng, pairs*d), make([]int32, pairs)
	for i := range rows {
		rows[i] = int32(rng.IntN(pairs))
	}
	out := make([]float32, pairs*d)
	l, r, s := random(rng, pairs*k), random(rng, pairs*k), make([]float32, pairs)
	gl, gr := make([]float32, pairs*k), make([]float32, pairs*k)
	x := NewPool(1).NewOperand(d, Single)
	for name, f := range map[string]func(){
		"gather":            func() { NewPool(1).Gather(d, table, rows, 0, Dropout{}, out) },
		"gather + dropout":  func() { NewPool(1).Gather(d, table, rows, 0, Dropout{Rate: 0.1}, out) },
		"operand":           func() { x.Gather(Source{Table: table}, rows, nil, Dropout{}) },
		"operand + dropout": func() { x.Gather(Source{Table: table}, rows, nil, Dropout{Rate: 0.1}) },
		"cosines":           func() { NewPool(1).Cosines(k, l, r, s, gl, gr) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}
