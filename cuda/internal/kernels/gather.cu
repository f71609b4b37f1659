// The four random words of a counter. Source: Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), Philox4x32-10.
static __device__ __forceinline__ uint4 philox(uint4 c, unsigned long long key) {
	unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
#pragma unroll
	for (int round = 0; round < 10; round++) {
		unsigned high0 = __umulhi(0xD2511F53u, c.x), low0 = 0xD2511F53u * c.x;
		unsigned high1 = __umulhi(0xCD9E8D57u, c.z), low1 = 0xCD9E8D57u * c.z;
		c = make_uint4(high1 ^ c.y ^ k0, low1, high0 ^ c.w ^ k1, low0);
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	return c;
}

// X [rows, d] = count of the job's rows of the table from number first on, less its
// offset, times mask/(1−rate); zeros behind them. A thread has four columns of a row,
// which are what one counter of Philox masks.
extern "C" __global__ void __launch_bounds__(256) gather(const job *__restrict__ batch, operand *__restrict__ X, int first, int count, int rows, int d) {
	unsigned quads = (d + 3) / 4, i = blockIdx.x * blockDim.x + threadIdx.x;
	unsigned quad = i % quads;
	int row = i / quads, column = 4 * quad, width = batch->width;
	if (row >= rows) return;
	const float *table = batch->table, *offset = batch->offset;
	bool wide = d % 4 == 0 && width % 4 == 0 && aligned(table) && aligned(offset) && aligned(X);
	float4 x = make_float4(0, 0, 0, 0);
	if (row < count) {
		int place = first + row, lefts = batch->lefts;
		unsigned side = place >= lefts;
		if (side) place -= lefts;
		long long text = side ? batch->right[place] : batch->left[place];
		x = load4(table + text * width + column, d - column, wide);
		if (offset) {
			float4 o = load4(offset + column, d - column, wide);
			x.x -= o.x, x.y -= o.y, x.z -= o.z, x.w -= o.w;
		}
		unsigned bound = batch->bound;
		if (bound) {
			uint4 word = philox(make_uint4(batch->step, side, batch->row + place, quad), batch->seed);
			float scale = batch->scale;
			x.x *= word.x < bound ? 0 : scale;
			x.y *= word.y < bound ? 0 : scale;
			x.z *= word.z < bound ? 0 : scale;
			x.w *= word.w < bound ? 0 : scale;
		}
	}
	store_operands(X + (long long)row * d + column, x, d - column, wide);
}

// out [n, k] = the first k numbers of the rows of the table that the job's first n
// right texts are. A thread has four columns of a row.
extern "C" __global__ void __launch_bounds__(256) as_is(const job *__restrict__ batch, float *__restrict__ out, int n, int k) {
	unsigned quads = (k + 3) / 4, i = blockIdx.x * blockDim.x + threadIdx.x;
	int row = i / quads, column = 4 * (i % quads), width = batch->width;
	if (row >= n) return;
	const float *from = batch->table + (long long)batch->right[row] * width;
	bool wide = k % 4 == 0 && width % 4 == 0 && aligned(batch->table) && aligned(out);
	store4(out + (long long)row * k + column, load4(from + column, k - column, wide), k - column, wide);
}
