// out [n, k] = rows of P [_, k] divided by their lengths. A block has one row.
extern "C" __global__ void __launch_bounds__(128) normalize(const float *__restrict__ P, const int *__restrict__ rows, float *__restrict__ out, int k) {
	const float *p = P + (long long)rows[blockIdx.x] * k;
	float *to = out + (long long)blockIdx.x * k;
	bool wide = k % 4 == 0 && aligned(p) && aligned(to);
	double square = block_square(p, k, wide), by = square == 0 ? 1 : 1 / sqrt(square);
	for (int c = 4 * threadIdx.x; c < k; c += 4 * blockDim.x) {
		float4 x = load4(p + c, k - c, wide);
		store4(to + c, make_float4(x.x * by, x.y * by, x.z * by, x.w * by), k - c, wide);
	}
}

// s [n] = the cosines of rows of P [_, k]. A block has one pair.
extern "C" __global__ void __launch_bounds__(128) pair_cosines(const float *__restrict__ P, const int *__restrict__ left, const int *__restrict__ right, float *__restrict__ s, int k) {
	int pair = blockIdx.x;
	double sums[3], a, b;
	products(P + (long long)left[pair] * k, P + (long long)right[pair] * k, k, sums);
	double value = cosine_of(sums, a, b);
	if (threadIdx.x == 0) s[pair] = value;
}
