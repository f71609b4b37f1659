// M [d, k] = S [d, k], each column j times 1 + unit·w[j]. A thread has four columns
// of a row.
extern "C" __global__ void __launch_bounds__(256) diagonal(const float *__restrict__ S, const float *__restrict__ w, float *__restrict__ M, float unit, int d, int k) {
	unsigned quads = (k + 3) / 4, i = blockIdx.x * blockDim.x + threadIdx.x;
	int row = i / quads, column = 4 * (i % quads);
	if (row >= d) return;
	bool wide = k % 4 == 0 && aligned(S) && aligned(w) && aligned(M);
	long long at = (long long)row * k + column;
	float4 x = load4(S + at, k - column, wide), by = load4(w + column, k - column, wide);
	store4(M + at, make_float4(x.x * (1 + unit * by.x), x.y * (1 + unit * by.y), x.z * (1 + unit * by.z), x.w * (1 + unit * by.w)), k - column, wide);
}

// dw [k]: dw[j] = unit · the sum over i of S[i, j]·dM[i, j]. A block of 32 warps has
// 32 columns: a warp sums every 32nd row of all of them, and then what the warps
// have of one.
extern "C" __global__ void __launch_bounds__(1024) diagonal_gradient(const float *__restrict__ S, const float *__restrict__ dM, float *__restrict__ dw, float unit, int d, int k) {
	__shared__ double parts[32][33];
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32, first = 32 * blockIdx.x;
	double sum = 0;
	if (first + lane < k)
		for (int row = warp; row < d; row += 32) {
			long long at = (long long)row * k + first + lane;
			sum += (double)S[at] * dM[at];
		}
	parts[warp][lane] = sum;
	__syncthreads();
	sum = parts[lane][warp];
	for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffff, sum, step);
	if (lane == 0 && first + warp < k) dw[first + warp] = unit * sum;
}
