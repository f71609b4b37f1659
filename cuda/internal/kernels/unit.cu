// The rows of P [2n, k] at length 1, left [n, k] and right [n, k], and the inverses
// of their lengths [2n]; both are 0 of a row of zeros. A block has one row.
extern "C" __global__ void __launch_bounds__(128) unit(const float *__restrict__ P, operand *__restrict__ left, operand *__restrict__ right, float *__restrict__ inverses, int n, int k) {
	int row = blockIdx.x;
	const float *p = P + (long long)row * k;
	operand *to = row < n ? left + (long long)row * k : right + (long long)(row - n) * k;
	bool wide = k % 4 == 0 && aligned(P) && aligned(left) && aligned(right);
	double square = block_square(p, k, wide);
	float by = square == 0 ? 0 : 1 / sqrt(square);
	for (int c = 4 * threadIdx.x; c < k; c += 4 * blockDim.x) {
		float4 x = load4(p + c, k - c, wide);
		store_operands(to + c, make_float4(x.x * by, x.y * by, x.z * by, x.w * by), k - c, wide);
	}
	if (threadIdx.x == 0) inverses[row] = by;
}

// dP [2n, k] from the derivative by the rows u at length 1, dleft [n, k] and dright [n, k]:
//
//	dp = (du - (du.u) u) / |p|
//
// A block has one row.
extern "C" __global__ void __launch_bounds__(128) through_unit(const float *__restrict__ P, const float *__restrict__ inverses, const float *__restrict__ dleft,
                                                                const float *__restrict__ dright, float *__restrict__ dP, int n, int k) {
	int row = blockIdx.x;
	const float *p = P + (long long)row * k, *du = row < n ? dleft + (long long)row * k : dright + (long long)(row - n) * k;
	float *to = dP + (long long)row * k, by = inverses[row];
	bool wide = k % 4 == 0 && aligned(P) && aligned(dleft) && aligned(dright) && aligned(dP);
	double sum[1] = {0};
	for (int c = 4 * threadIdx.x; c < k; c += 4 * blockDim.x) {
		float4 x = load4(p + c, k - c, wide), d = load4(du + c, k - c, wide);
		sum[0] += double(d.x) * (x.x * by) + double(d.y) * (x.y * by) + double(d.z) * (x.z * by) + double(d.w) * (x.w * by);
	}
	block_sums(sum);
	float along = sum[0] * by;
	for (int c = 4 * threadIdx.x; c < k; c += 4 * blockDim.x) {
		float4 x = load4(p + c, k - c, wide), d = load4(du + c, k - c, wide);
		store4(to + c, make_float4(by * (d.x - along * x.x), by * (d.y - along * x.y), by * (d.z - along * x.z), by * (d.w - along * x.w)), k - c, wide);
	}
}
