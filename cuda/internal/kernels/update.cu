// One step of the rule for w [n] and its slots [n] by the gradient g [n], and M
// [n], the copy of w that the products take. A thread has four numbers.
extern "C" __global__ void __launch_bounds__(256) apply_update(const float *__restrict__ h, float *__restrict__ w, const float *__restrict__ g, operand *__restrict__ M, long long n SLOT_PARAMETERS) {
	long long i = 4 * ((long long)blockIdx.x * blockDim.x + threadIdx.x);
	if (i >= n) return;
	int count = n - i < 4 ? n - i : 4;
	float *const slots[SLOTS + 1] = {SLOT_POINTERS};
	bool wide = aligned(w) && aligned(g) && aligned(M);
#pragma unroll
	for (int j = 0; j < SLOTS; j++) wide = wide && aligned(slots[j]);

	float4 to = load4(w + i, count, wide), by = load4(g + i, count, wide);
	float state[4][SLOTS + 1];
#pragma unroll
	for (int j = 0; j < SLOTS; j++) {
		float4 v = load4(slots[j] + i, count, wide);
		state[0][j] = v.x, state[1][j] = v.y, state[2][j] = v.z, state[3][j] = v.w;
	}
	update(to.x, by.x, state[0], h);
	update(to.y, by.y, state[1], h);
	update(to.z, by.z, state[2], h);
	update(to.w, by.w, state[3], h);
	store4(w + i, to, count, wide);
#pragma unroll
	for (int j = 0; j < SLOTS; j++) store4(slots[j] + i, make_float4(state[0][j], state[1][j], state[2][j], state[3][j]), count, wide);
#ifdef BF16
	store_operands(M + i, to, count, wide);
#endif
}
