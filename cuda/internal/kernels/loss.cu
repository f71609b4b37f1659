// The mean loss of cosines s [n], and its derivative ds [n], by one block.
extern "C" __global__ void __launch_bounds__(1024) run_loss(const job *__restrict__ batch, const float *__restrict__ s, float *__restrict__ ds, float *__restrict__ mean, int n) {
	float value;
	loss(scored{s, batch->labels, batch->groups, batch->low, n}, ds, &value);
	if (threadIdx.x == 0) *mean = value;
}

// to [n] = from times a factor.
extern "C" __global__ void __launch_bounds__(256) scale(const float *__restrict__ from, float *__restrict__ to, float by, int n) {
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n) to[i] = from[i] * by;
}
