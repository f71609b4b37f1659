// a·b, a·a and b·b of two rows of k, by all threads of a block.
static __device__ __forceinline__ void products(const float *__restrict__ a, const float *__restrict__ b, int k, double (&sums)[3]) {
	bool wide = k % 4 == 0 && aligned(a) && aligned(b);
	double ab = 0, aa = 0, bb = 0;
	for (int c = 4 * threadIdx.x; c < k; c += 4 * blockDim.x) {
		float4 x = load4(a + c, k - c, wide), y = load4(b + c, k - c, wide);
		double xs[4] = {x.x, x.y, x.z, x.w}, ys[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
		for (int j = 0; j < 4; j++) {
			ab += xs[j] * ys[j];
			aa += xs[j] * xs[j];
			bb += ys[j] * ys[j];
		}
	}
	sums[0] = ab, sums[1] = aa, sums[2] = bb;
	block_sums(sums);
}

// The cosine, and 1/|a| and 1/|b|, which are both 0 where a vector is zero, as
// the cosine is then, or where that is NaN because of one.
static __device__ __forceinline__ double cosine_of(const double (&sums)[3], double &inverse_a, double &inverse_b) {
	double ab = sums[0], aa = sums[1], bb = sums[2];
	inverse_a = inverse_b = 0;
	if (aa > 0 && bb > 0) {
		inverse_a = 1 / sqrt(aa), inverse_b = 1 / sqrt(bb);
		return ab * inverse_a * inverse_b;
	}
	bool number = ab == ab && aa == aa && bb == bb;
	return number ? 0 : ab + aa + bb;
}

// s [n] and inverses [2n] of the two sides of P [2n, k]. A block has one pair.
extern "C" __global__ void __launch_bounds__(128) cosine(const float *__restrict__ P, float *__restrict__ s, float *__restrict__ inverses, int n, int k) {
	long long left = blockIdx.x, right = left + n;
	double sums[3], a, b;
	products(P + left * k, P + right * k, k, sums);
	double value = cosine_of(sums, a, b);
	if (threadIdx.x) return;
	s[left] = value;
	inverses[left] = a;
	inverses[right] = b;
}
