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
static __device__ float block_sum(float x) {
	float sum[1] = {x};
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
};

// The label of pair i on the scale 0..1.
static __device__ __forceinline__ float target(const scored &b, int i) { return (b.y[i] - b.low) / (1 - b.low); }

// Whether two pairs are of one group.
static __device__ __forceinline__ bool alike(const scored &b, int i, int j) { return b.group && b.group[i] == b.group[j]; }
