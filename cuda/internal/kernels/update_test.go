//go:build gpu && linux

package kernels

import (
	"fmt"
	"os"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// An update's bits are those of Go's portable code, step after step.
func TestUpdateOnDevice(t *testing.T) {
	if os.Getenv("COSFIT_CPU") != "generic" {
		t.Skip("compares with COSFIT_CPU=generic")
	}
	r := device(t)
	for _, rule := range rules {
		for _, p := range precisions {
			k := r.update(rule, p)
			sizes := []int{1, 3, 4, 1021, 1024, 1 + r.rng.IntN(2000)}
			if r.small() {
				sizes = []int{1, 39, 1100}
			}
			for i, n := range sizes {
				if r.shift = 0; i%3 == 2 {
					r.shift = 4
				}
				w := r.random(n)
				onW, operand := upload(r, w), r.alloc(n*p.OperandSize())
				var slots [][]float32
				var onSlots []nvidia.Pointer
				for range rule.Slots() {
					slots = append(slots, make([]float32, n))
				}
				if len(slots) >= 3 {
					copy(slots[2], r.random(n))
				}
				shift := r.shift
				if i%3 == 1 {
					r.shift = 4 // the slots alone
				}
				for _, s := range slots {
					onSlots = append(onSlots, upload(r, s))
				}
				r.shift = shift
				for step := 1; step <= 3; step++ {
					h, g := graph.Hyper{LearningRate: 0.03, Momentum: 0.8, Step: step}, r.random(n)
					r.do(k.Apply(r.stream, upload(r, rule.Scalars(h)), onW, upload(r, g), onSlots, operand, n))
					rule.Update(h, w, g, slots)
					what := fmt.Sprintf("%s %s, %d numbers, step %d: ", p, rule.Name(), n, step)
					r.same(what+"w", r.download(onW, n, 4), w)
					for i, s := range slots {
						r.same(fmt.Sprint(what, "slot ", i), r.download(onSlots[i], n, 4), s)
					}
					m := r.download(operand, n, p.OperandSize())
					for i, x := range w {
						if want := asOperand(x, p); p == BF16 && m[i] != want {
							t.Fatalf("%sM: number %d is %v, want %v", what, i, m[i], want)
						}
					}
				}
			}
			r.shift = 0
		}
	}
	if err := new(Update).Apply(r.stream, 0, 0, 0, make([]nvidia.Pointer, 1), 0, 0); err == nil {
		t.Error("a slot too many is accepted")
	}
}
