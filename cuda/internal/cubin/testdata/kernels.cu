// What the tests of this package compile; the cubins beside it are of it.

extern "C" __global__ void __launch_bounds__(128, 1) reversed(float *y, const float *x, int n, float by, unsigned long long seed) {
	__shared__ float tile[64];
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	tile[threadIdx.x & 63] = x[i];
	__syncthreads();
	if (i < n) y[i] = by * tile[63 - (threadIdx.x & 63)] + (float)seed;
}

// An array that is indexed by what only the caller knows is in local memory.
extern "C" __global__ void framed(float *y, int n, char c, double d) {
	float a[64], s = 0;
	#pragma unroll 1
	for (int i = 0; i < 64; i++) a[i] = y[i * n];
	#pragma unroll 1
	for (int i = 0; i < n; i++) s += a[(i * 7) & 63];
	y[threadIdx.x] = s + c + (float)d;
}

extern "C" __global__ void nothing() {}
