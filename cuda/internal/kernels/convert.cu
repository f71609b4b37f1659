// to [n] = from, as operands. A thread has four numbers.
extern "C" __global__ void __launch_bounds__(256) convert(const float *__restrict__ from, operand *__restrict__ to, long long n) {
	long long i = 4 * ((long long)blockIdx.x * blockDim.x + threadIdx.x);
	if (i >= n) return;
	int count = n - i < 4 ? n - i : 4;
	bool wide = aligned(from) && aligned(to);
	store_operands(to + i, load4(from + i, count, wide), count, wide);
}
