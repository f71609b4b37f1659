// to [n] = from times a factor.
extern "C" __global__ void __launch_bounds__(256) scale(const float *__restrict__ from, float *__restrict__ to, float by, int n) {
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n) to[i] = from[i] * by;
}
