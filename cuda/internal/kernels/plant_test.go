//go:build gpu && linux

package kernels

import (
	"os"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/fake"
)

// A plant is a mistake made in a kernel on purpose.
type plant struct {
	name      string
	old, new  string // text of the source, once in it, and what takes its place
	test      string // that must fail
	message   string // of the device, or of the comparison with the right result
	sanitizer string
	order     string // of threads; "" is ascending
}

// Each is a mistake that someone could make in these kernels and that a test
// must see for what it is.
var plants = []plant{
	// Of rows and columns.
	{name: "rows without a bound", old: "if (row >= rows) return;", test: "Gather",
		message: "kernel gather, block (", order: "descending"},
	{name: "the row before", old: "table + text * width", new: "table + (text ? text - 1 : 0) * width", test: "Gather",
		message: "dropout 0: number "},
	{name: "a side that is shorter", old: "if (side) place -= lefts;", new: "if (side) place %= lefts;", test: "Gather",
		message: "dropout 0: number "},
	{name: "padding that is not cleared", old: "if (row >= rows) return;", new: "if (row >= count) return;", test: "Gather",
		message: "is NaN, want 0"},
	{name: "a right side that begins a row late", old: "long long left = blockIdx.x, right = left + n;", new: "long long left = blockIdx.x, right = left + n + 1;", test: "Cosine",
		message: "past the end of allocation"},
	{name: "an offset that is forgotten", old: "if (offset) {", new: "if (offset && row < lefts) {", test: "Gather",
		message: "offset true, dropout 0: number "},

	{name: "a table as wide as X", old: "table + text * width", new: "table + text * d", test: "Gather",
		message: "dropout 0: number "},
	{name: "the first rows again", old: "int place = first + row", new: "int place = row", test: "Gather",
		message: "dropout 0: number "},

	// Of the tail of a row.
	{name: "a read past the tail", old: "if (count > 3) v.w = p[3];", new: "v.w = p[3];", test: "Gather",
		message: "read of 0x"},
	{name: "a write past the tail", old: "if (count > 3) p[3] = v.w;", new: "p[3] = v.w;", test: "Normalize",
		message: "past the end of allocation"},
	{name: "no tail", old: "c < k; c += 4 * blockDim.x) {\n\t\tfloat4 x = load4(a + c", new: "c + 3 < k; c += 4 * blockDim.x) {\n\t\tfloat4 x = load4(a + c", test: "Cosine",
		message: "cosines of "},
	{name: "vectors in rows of any width", old: "bool wide = d % 4 == 0 && width % 4 == 0 && aligned(table)", new: "bool wide = aligned(table)", test: "Gather",
		message: "is not aligned to 16 bytes"},
	{name: "vectors at any address", old: "bool wide = k % 4 == 0 && aligned(P) && aligned(dP);", new: "bool wide = k % 4 == 0;", test: "Pull",
		message: "is not aligned to 16 bytes"},
	{name: "vectors of a slot at any address", old: "wide = wide && aligned(slots[j]);", new: ";", test: "Update",
		message: "is not aligned to 16 bytes"},
	{name: "a parameter's tail", old: "int count = n - i < 4 ? n - i : 4;\n\tfloat *const", new: "int count = 4;\n\tfloat *const", test: "Update",
		message: "past the end of allocation"},

	{name: "vectors in a table of any width", old: "bool wide = k % 4 == 0 && width % 4 == 0 && aligned(batch->table)", new: "bool wide = k % 4 == 0 && aligned(batch->table)", test: "AsIs",
		message: "is not aligned to 16 bytes"},

	// Of dropout.
	{name: "one mask for both sides", old: "make_uint4(batch->step, side, batch->row + place, quad)", new: "make_uint4(batch->step, 0, batch->row + place, quad)", test: "Gather",
		message: "dropout 0.4: number "},
	{name: "a mask of the batch, not of all of it", old: "batch->row + place, quad", new: "place, quad", test: "Gather",
		message: "dropout 0.4: number "},
	{name: "a word for two columns", old: "x.y *= word.y < bound", new: "x.y *= word.x < bound", test: "Gather",
		message: "dropout 0.4: number "},
	{name: "nine rounds", old: "round < 10", new: "round < 9", test: "Gather",
		message: "dropout 0.4: number "},
	{name: "fields of the job in another order", old: "unsigned step, row;", new: "unsigned row, step;", test: "Gather",
		message: "dropout 0.4: number "},

	// Of a block that works together.
	{name: "no barrier before the sums are read", old: "v[j];\n\t__syncthreads();\n#pragma", new: "v[j];\n#pragma", test: "Cosine",
		message: "cosines of "},
	{name: "no barrier after a sum", old: "\t__syncthreads();  // the parts of a call before have been read\n", test: "Loss",
		message: "data race in kernel run_loss", sanitizer: fake.Thread},
	{name: "columns summed before their parts are there", old: "parts[warp][lane] = sum;\n\t__syncthreads();", new: "parts[warp][lane] = sum;", test: "Diagonal",
		message: "derivatives by weights "},
	{name: "columns past the last one", old: "if (lane == 0 && first + warp < k)", new: "if (lane == 0)", test: "Diagonal",
		message: "past the end of allocation"},
	{name: "an early end", old: "bool wide = k % 4 == 0 && aligned(a) && aligned(b);", new: "bool wide = k % 4 == 0 && aligned(a) && aligned(b);\n\tif (4 * threadIdx.x >= k) return;", test: "Cosine",
		message: "threads of a warp part before they meet"},
	{name: "too little shared memory", old: "__shared__ T parts[N][32];", new: "__shared__ T parts[N][16];", test: "Loss",
		message: "is out of bounds for 'float [16]'"},
	{name: "half a warp", old: "for (int step = 16; step > 0; step /= 2) v[j] += __shfl_xor_sync(0xffffffff, v[j], step);\n\tif", new: "for (int step = 8; step > 0; step /= 2) v[j] += __shfl_xor_sync(0xffffffff, v[j], step);\n\tif", test: "Cosine",
		message: "cosines of "},
	{name: "all threads do all pairs", old: "for (int i = threadIdx.x; i < (n); i += blockDim.x)", new: "for (int i = 0; i < (n); i++)", test: "Loss",
		message: "data race in kernel run_loss", sanitizer: fake.Thread},
	{name: "two blocks write one pair", old: "if (pair >= n) return;", new: "if (pair >= n) pair = n - 1, column = 0;", test: "Pull",
		message: "data race in kernel pull, block (", sanitizer: fake.Thread},
	{name: "a tile that is read too early", old: "put(b, next_b);\n\t\t__syncthreads();", new: "put(b, next_b);", test: "Similarities",
		message: "products of "},
	{name: "a tile that is overwritten too early", old: "sums[r][q] = fmaf(x[r], y[q], sums[r][q]);\n\t\t}\n\t\t__syncthreads();", new: "sums[r][q] = fmaf(x[r], y[q], sums[r][q]);\n\t\t}", test: "Similarities",
		message: "data race in kernel similarities", sanitizer: fake.Thread},
	{name: "a tile past the last row", old: "row < rows ? k - c : 0", new: "k - c", test: "Similarities",
		message: "kernel similarities, block (0,0,0)"},
	{name: "a result past the last row", old: "if (row >= m) continue;", test: "Similarities",
		message: "kernel similarities"},
	{name: "shared rows off their alignment", old: "[tile + 4]", new: "[tile + 1]", test: "Similarities",
		message: "is not aligned to 16 bytes"},

	// Of all vectors of a batch.
	{name: "no barrier before the answers are read", old: "texts[atomicAdd(&count, 1)] = b->right[i];\n\t\t__syncthreads();", new: "texts[atomicAdd(&count, 1)] = b->right[i];", test: "Contrast",
		message: "derivative of pair "},
	{name: "answers of any group", old: "similar(b, i) && group_of(b, i) == group", new: "similar(b, i)", test: "Contrast",
		message: "derivative of pair "},
	{name: "a pair that is its own negative", old: "if (j == query) continue;", test: "Contrast",
		message: "derivative of pair "},
	{name: "queries of dissimilar pairs", old: "!positive || related", new: "related", test: "Contrast",
		message: "to queries true, derivative of pair "},
	{name: "a dissimilar pair's row that is not written", old: "each(j, n) ds[j] = to_operand(0);", test: "Contrast",
		message: "is NaN, float64 says 0"},
	{name: "sums of another direction", old: "total[1] += sums[2 * i + 1];", new: "total[1] += sums[2 * i];", test: "Contrast",
		message: "derivative by the temperature of "},
	{name: "zeros divided by their length", old: "square == 0 ? 0 : 1 / sqrt(square)", new: "1 / sqrt(square)", test: "Unit",
		message: "is NaN, float64 says 0"},
	{name: "a derivative along the vector", old: "by * (d.y - along * x.y)", new: "by * d.y", test: "Unit",
		message: "derivative through unit "},

	// Of numbers.
	{name: "zeros divided by zeros", old: "if (aa > 0 && bb > 0) {", new: "{", test: "Cosine",
		message: "is NaN, float64 says 0"},
	{name: "a NaN that is swallowed", old: "return number ? 0 : ab + aa + bb;", new: "return 0;", test: "Cosine",
		message: "is 0, float64 says NaN"},
	{name: "sums in float32", old: "double ab = 0, aa = 0, bb = 0;", new: "float ab = 0, aa = 0, bb = 0;", test: "Cosine",
		message: "float64 says "},
	{name: "the gradient's other vector", old: "by_a * (b * r.y - sa * l.y)", new: "by_a * (b * r.y - sa * r.y)", test: "Pull",
		message: "dP of pair "},
	{name: "an operand that is cut off", old: "bits + lowest / 2 + (bits >> LOWEST & 1)", new: "bits", test: "Convert",
		message: "tf32 of "},
	{name: "ties away from even", old: "bits + lowest / 2 + (bits >> LOWEST & 1)", new: "bits + lowest / 2 + 1", test: "Convert",
		message: "tf32 of "},
	{name: "a NaN that rounds to zero", old: "x != x ? bits | 0x00400000 : bits", new: "bits", test: "Convert",
		message: "want NaN"},
	{name: "a mean of another batch", old: "theta, by}, ds, &value);", new: "theta, by}, ds, &value);\n\tvalue *= 1.0001f;", test: "Loss",
		message: "loss mse of "},
	{name: "one parameter's derivative for all", old: "dtheta[i] = by[i];", new: "dtheta[i] = by[0];", test: "Loss",
		message: "derivative by parameters logistic of "},
	{name: "a slot that is not kept", old: "for (int j = 0; j < SLOTS; j++) store4(", new: "for (int j = 1; j < SLOTS; j++) store4(", test: "Update",
		message: "slot 0: number "},
	{name: "an M of before", old: "store_operands(M + i, to, count, wide);", new: "store_operands(M + i, by, count, wide);", test: "Update",
		message: "M: number "},
}

// Every planted mistake is seen, and by the message that names it: with the
// library missing, all of them would fail as expected.
func TestPlanted(t *testing.T) {
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			env := []string{"COSFIT_TEST_PLANT=" + p.name}
			if p.sanitizer != "" {
				env = append(env, "COSFIT_TEST_SMALL=1")
			}
			if p.order != "" {
				env = append(env, "COSFIT_FAKE_ORDER="+p.order)
			}
			out, err := onFake(fake.For(t, p.sanitizer), "Test"+p.test+"OnDevice$", env...)
			if err == nil || !strings.Contains(out, "--- FAIL: Test"+p.test+"OnDevice ") && !strings.Contains(out, fake.Prefix) {
				t.Fatalf("the test does not see it: %v\n%s", err, out)
			}
			if !strings.Contains(out, p.message) {
				t.Errorf("no message %q in\n%s", p.message, out)
			}
		})
	}
}

// planted is the mistake that this process is to make, or nil.
func planted(t testing.TB) *plant {
	name := os.Getenv("COSFIT_TEST_PLANT")
	for i := range plants {
		if plants[i].name == name {
			return &plants[i]
		}
	}
	if name != "" {
		t.Fatalf("there is no mistake called %q", name)
	}
	return nil
}

func (p *plant) in(source string) string { return strings.ReplaceAll(source, p.old, p.new) }
