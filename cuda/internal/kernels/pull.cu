// dP [2n, k] from ds [n]: for a pair (l, r) with cosine s,
//
//	dl = ds/|l| · (r/|r| − s·l/|l|)   and   dr = ds/|r| · (l/|l| − s·r/|r|).
//
// A thread has four columns of a pair.
extern "C" __global__ void __launch_bounds__(256) pull(const float *__restrict__ P, const float *__restrict__ cosines, const float *__restrict__ inverses, const float *__restrict__ ds,
                                                        operand *__restrict__ dP, int n, int k) {
	unsigned quads = (k + 3) / 4, i = blockIdx.x * blockDim.x + threadIdx.x;
	int pair = i / quads, column = 4 * (i % quads);
	if (pair >= n) return;
	bool wide = k % 4 == 0 && aligned(P) && aligned(dP);
	long long left = (long long)pair * k + column, right = left + (long long)n * k;
	float4 l = load4(P + left, k - column, wide), r = load4(P + right, k - column, wide);
	float s = cosines[pair], a = inverses[pair], b = inverses[n + pair], by = ds[pair];
	float by_a = by * a, by_b = by * b, sa = s * a, sb = s * b;
	float4 dl = make_float4(by_a * (b * r.x - sa * l.x), by_a * (b * r.y - sa * l.y), by_a * (b * r.z - sa * l.z), by_a * (b * r.w - sa * l.w));
	float4 dr = make_float4(by_b * (a * l.x - sb * r.x), by_b * (a * l.y - sb * r.y), by_b * (a * l.z - sb * r.z), by_b * (a * l.w - sb * r.w));
	store_operands(dP + left, dl, k - column, wide);
	store_operands(dP + right, dr, k - column, wide);
}
