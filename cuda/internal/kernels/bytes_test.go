//go:build gpu && linux

package kernels

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/trainer"
)

// counting makes the functions through which kernels read and write arrays
// count the bytes.
func counting(t *testing.T, source string) string {
	t.Helper()
	const counter = `
__device__ unsigned long long moved;
static __device__ void count(int numbers, int bytes) { atomicAdd(&moved, (unsigned long long)(bytes * (numbers < 0 ? 0 : min(numbers, 4)))); }
extern "C" __global__ void read_count(unsigned long long *to) { *to = moved; moved = 0; }
`
	for head, bytes := range map[string]string{
		"float4 load4(const float *p, int count, bool wide) {":                  "4",
		"void store_operands(operand *p, float4 v, int count, bool wide) {":     "sizeof(operand)",
		"void store4(float *p, float4 v, int count, bool wide) {":               "4",
		"\tstore4(p, make_float4(to_operand(v.x), to_operand(v.y), to_operand(": "-4", // was counted by store_operands
	} {
		if strings.Count(source, head) != 1 {
			t.Fatalf("the prelude has no %q", head)
		}
		if numbers := "count"; bytes == "-4" {
			source = strings.Replace(source, head, "\t::count("+numbers+", -4);\n"+head, 1)
		} else {
			source = strings.Replace(source, head, head+"\n\t::count("+numbers+", "+bytes+");", 1)
		}
	}
	return counter + source
}

// What the kernels of a step read and write is their budget: each array once.
func TestBytesOnDevice(t *testing.T) {
	r := device(t)
	sizes := [][3]int{{5, 12, 8}, {4, 7, 33}, {3, 260, 516}}
	if r.small() {
		sizes = sizes[:2]
	}
	for _, p := range precisions {
		step, err := r.compiler.step(r.context, p, counting(t, stepSource()))
		r.do(err)
		rule := trainer.Adam{}
		update, err := r.compiler.update(r.context, rule.Slots(), p, counting(t, updateSource(rule.CUDA(), rule.Slots())))
		r.do(err)
		count := func(m *nvidia.Module, launch error) int64 {
			t.Helper()
			f, err := m.Function("read_count")
			r.do(launch, err)
			to := r.alloc(8)
			r.do(r.stream.Launch(f, nvidia.Dim{}, nvidia.Dim{}, 0, new(nvidia.Arguments).Pointer(to)))
			pinned, err := r.context.AllocPinned(8)
			r.do(err, r.stream.ToHost(pinned, 0, to, 8), r.stream.Synchronize())
			moved := nvidia.View[int64](pinned)[0]
			r.do(pinned.Free())
			return moved
		}
		for _, size := range sizes {
			n, d, k := size[0], size[1], size[2]
			rows := r.rows(n, n)
			job := r.batch(r.random(n*d), nil, d, rows, rows, nil, graph.Dropout{Rate: 0.5})
			x, dp := r.alloc(2*n*d*p.OperandSize()), r.alloc(2*n*k*p.OperandSize())
			pOn, s, inverses := upload(r, r.random(2*n*k)), r.alloc(4*n), r.alloc(8*n)
			w, g := upload(r, r.random(d*k)), upload(r, r.random(d*k))
			slots := []nvidia.Pointer{upload(r, make([]float32, d*k)), upload(r, make([]float32, d*k))}
			moved := map[string]int64{
				"gather":   count(step.module, step.Gather(r.stream, job, x, 0, 2*n, 2*n, d)),
				"cosine":   count(step.module, step.Cosine(r.stream, pOn, s, inverses, n, k)),
				"pull":     count(step.module, step.Pull(r.stream, pOn, s, inverses, s, dp, n, k)),
				"as_is":    count(step.module, step.AsIs(r.stream, r.batch(r.random(n*k), nil, k, rows, rows, nil, graph.Dropout{}), pOn, n, k)),
				"diagonal": count(step.module, step.Diagonal(r.stream, w, upload(r, r.random(k)), g, 1, d, k)),
				"update":   count(update.module, update.Apply(r.stream, upload(r, rule.Scalars(graph.Hyper{Step: 1})), w, g, slots, r.alloc(d*k*p.OperandSize()), d*k)),
			}
			// What a pair or a row has one of is read without being counted: the
			// number of its row, s, two lengths and ds.
			single := map[string]int64{"gather": 8, "as_is": 4, "cosine": 12, "pull": 16}
			moved["diagonal"] -= int64(4 * (d - 1) * k) // every row reads the weights
			for kernel, counted := range moved {
				b, err := BudgetOf(kernel, n, d, k, p)
				r.do(err)
				if got := counted + single[kernel]*int64(n); got != b.Bytes {
					t.Errorf("%s moves %d bytes, its budget says %d", fmt.Sprint(kernel, " ", p, " of ", size), got, b.Bytes)
				}
			}
		}
		r.do(step.Close(), update.Close())
	}
}
