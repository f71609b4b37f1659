// out [m, n] = A·Bᵀ for A [m, k] and B [n, k]. A block of 256 threads has a tile
// of 128 × 128, a thread four times 4 × 4 of it. Tiles of A and B lie in shared
// memory column by column, eight columns at a time; while these are multiplied
// the next ones are on their way into registers.
//
// A number of out is one chain of fused products and sums in the order of the
// columns, so its bits do not depend on where its rows stand.
static constexpr int tile = 128, depth = 8;

// A thread fetches four columns of one row of A and of B, and goes on eight
// columns at a time; of a row that is not there it has none.
struct source {
	const float *at;
	int left;  // columns
};

static __device__ __forceinline__ source source_of(const float *X, int rows, int k, int first) {
	int row = first + threadIdx.x / 2, c = threadIdx.x % 2 * 4;
	return {X + (long long)row * k + c, row < rows ? k - c : 0};
}

static __device__ __forceinline__ float4 next(source &s, bool wide) {
	float4 v = load4(s.at, s.left, wide);
	s.at += depth, s.left -= depth;
	return v;
}

static __device__ __forceinline__ void put(float (&shared)[depth][tile + 4], float4 from) {
	int row = threadIdx.x / 2, c = threadIdx.x % 2 * 4;
	shared[c][row] = from.x;
	shared[c + 1][row] = from.y;
	shared[c + 2][row] = from.z;
	shared[c + 3][row] = from.w;
}

// Eight numbers of a column: four from place 4·i on and four 64 further.
static __device__ __forceinline__ void take(const float (&column)[tile + 4], int i, float (&to)[8]) {
	float4 low = *(const float4 *)&column[4 * i], high = *(const float4 *)&column[4 * i + 64];
	to[0] = low.x, to[1] = low.y, to[2] = low.z, to[3] = low.w;
	to[4] = high.x, to[5] = high.y, to[6] = high.z, to[7] = high.w;
}

extern "C" __global__ void __launch_bounds__(256, 2) similarities(const float *__restrict__ A, const float *__restrict__ B, float *__restrict__ out, int m, int n, int k) {
	__shared__ float a[depth][tile + 4], b[depth][tile + 4];
	int top = blockIdx.y * tile, left = blockIdx.x * tile, down = threadIdx.x / 16, across = threadIdx.x % 16;
	bool wide = k % 4 == 0 && aligned(A) && aligned(B);
	float sums[8][8] = {};
	source from_a = source_of(A, m, k, top), from_b = source_of(B, n, k, left);
	float4 next_a = next(from_a, wide), next_b = next(from_b, wide);
	for (int c = 0; c < k; c += depth) {
		put(a, next_a);
		put(b, next_b);
		__syncthreads();
		next_a = next(from_a, wide);
		next_b = next(from_b, wide);
#pragma unroll
		for (int j = 0; j < depth; j++) {
			float x[8], y[8];
			take(a[j], down, x);
			take(b[j], across, y);
#pragma unroll
			for (int r = 0; r < 8; r++)
#pragma unroll
				for (int q = 0; q < 8; q++) sums[r][q] = fmaf(x[r], y[q], sums[r][q]);
		}
		__syncthreads();
	}
	bool wide_out = n % 4 == 0 && aligned(out);
#pragma unroll
	for (int r = 0; r < 8; r++) {
		int row = top + 4 * down + r % 4 + 64 * (r / 4);
		if (row >= m) continue;
#pragma unroll
		for (int q = 0; q < 8; q += 4) {
			int column = left + 4 * across + 16 * q;
			store4(out + (long long)row * n + column, make_float4(sums[r][q], sums[r][q + 1], sums[r][q + 2], sums[r][q + 3]), n - column, wide_out);
		}
	}
}
