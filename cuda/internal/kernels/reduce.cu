// The sums of N numbers of each thread over all threads of the block: whole
// warps, which all must come to it. Every thread receives the same bits.
template <int N, class T>
static __device__ __forceinline__ void block_sums(T (&v)[N]) {
	__shared__ T parts[N][32];  // of the warps
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
#pragma unroll
	for (int j = 0; j < N; j++)
		for (int step = 16; step > 0; step /= 2) v[j] += __shfl_xor_sync(0xffffffff, v[j], step);
	if (warps == 1) return;
	__syncthreads();  // the parts of a call before have been read
	if (lane == 0)
		for (int j = 0; j < N; j++) parts[j][warp] = v[j];
	__syncthreads();
#pragma unroll
	for (int j = 0; j < N; j++) {
		v[j] = lane < warps ? parts[j][lane] : 0;
		for (int step = 16; step > 0; step /= 2) v[j] += __shfl_xor_sync(0xffffffff, v[j], step);
	}
}

// The sum of every thread's x, for the formula of a loss.
template <class T>
static __device__ T block_sum(T x) {
	T sum[1] = {x};
	block_sums(sum);
	return sum[0];
}

// The largest of every thread's x; a NaN is passed over.
static __device__ float block_max(float x) {
	__shared__ float parts[32];  // of the warps
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
	for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, step));
	__syncthreads();  // the parts of a call before have been read
	if (lane == 0) parts[warp] = x;
	__syncthreads();
	x = parts[lane % warps];
	for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, step));
	return x;
}

// The sum of the squares of a row p [k], of which a block has one.
static __device__ double block_square(const float *p, int k, bool wide) {
	double sum[1] = {0};
	for (int c = 4 * threadIdx.x; c < k; c += 4 * blockDim.x) {
		float4 x = load4(p + c, k - c, wide);
		double xs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
		for (int j = 0; j < 4; j++) sum[0] += xs[j] * xs[j];
	}
	block_sums(sum);
	return sum[0];
}

// The head of a loop that divides 0 … n−1 between the threads of a block.
#define each(i, n) for (int i = threadIdx.x; i < (n); i += blockDim.x)

// Pairs with their cosines: what the formula of a loss is given.
struct scored {
	const float *s, *y;  // [n] cosines and labels
	const int *group;    // [n], or null where nobody knows
	float low;           // the labels' lower end, 0 or -1; their upper end is 1
	int n;
	const float *theta;  // [p] parameters of a loss that learns some
	float *dtheta;       // [p] the derivative by them
};

// The label of pair i on the scale 0..1.
static __device__ __forceinline__ float target(const scored &b, int i) { return (b.y[i] - b.low) / (1 - b.low); }

// Whether two pairs are of one group.
static __device__ __forceinline__ bool alike(const scored &b, int i, int j) { return b.group && b.group[i] == b.group[j]; }
