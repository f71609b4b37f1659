// InfoNCE over the similarities of a batch: graph.InfoNCE, row by row. Every pair
// is a query, so that sizes follow from the batch's alone; one that is not similar
// has a loss of 0.

// What does not count: e to its power is 0.
static __device__ __forceinline__ float left_out() { return __uint_as_float(0xff800000u); }

static __device__ __forceinline__ bool similar(const job *b, int i) { return b->labels[i] >= (b->low + 1) / 2; }

// The group of a pair, or its left text where nobody knows groups.
static __device__ __forceinline__ int group_of(const job *b, int i) { return b->groups ? b->groups[i] : b->left[i]; }

// Leaves the texts that answer the query's group out of its similarities s [n],
// except its own place. A thread has the columns of each(j, n).
static __device__ void leave_out_answers(const job *b, int query, float *s, int n) {
	__shared__ int texts[256], count;  // of the answers among as many pairs as there are threads
	int group = group_of(b, query);
	for (int first = 0; first < n; first += blockDim.x) {
		int i = first + threadIdx.x;
		__syncthreads();  // the answers of the pairs before have been read
		if (threadIdx.x == 0) count = 0;
		__syncthreads();
		if (i < n && similar(b, i) && group_of(b, i) == group) texts[atomicAdd(&count, 1)] = b->right[i];
		__syncthreads();
		if (count == 0) continue;
		each(j, n) {
			if (j == query) continue;
			int text = b->right[j];
			for (int answer = 0; answer < count; answer++)
				if (text == texts[answer]) s[j] = left_out();
		}
	}
}

// Whether the query of pair j is no negative of the passage of pair i.
static __device__ __forceinline__ bool related(const job *b, int i, int j) {
	return group_of(b, j) == group_of(b, i) || b->right[j] == b->right[i] || b->left[j] == b->left[i] || b->left[j] == b->right[i];
}

// One direction, weighted, of the pairs from number first on: from similarities S
// [rows, n], of left texts with right ones or, to queries, of right ones with left
// ones, the derivative dS [rows, n] by them; and of each pair its share of the loss
// and of the derivative by theta[0], minus the logarithm of the temperature, to sums
// [n, 2]. S is changed. A block has one pair.
extern "C" __global__ void __launch_bounds__(256) contrast(const job *__restrict__ batch, const float *__restrict__ theta, float *__restrict__ S, operand *__restrict__ dS,
                                                            double *__restrict__ sums, int first, int n, int to_queries, float weight) {
	int query = first + blockIdx.x;
	float *s = S + (long long)blockIdx.x * n;
	operand *ds = dS + (long long)blockIdx.x * n;
	sums += 2 * query;
	if (!similar(batch, query)) {
		each(j, n) ds[j] = to_operand(0);
		if (threadIdx.x == 0) sums[0] = sums[1] = 0;
		return;
	}
	if (!to_queries) leave_out_answers(batch, query, s, n);
	float most = left_out(), mine = s[query], inverse = expf(theta[0]);
	double sum[3] = {0, 0, 0};  // of e, of e times its similarity, and of similar pairs
	each(j, n) {
		bool positive = similar(batch, j), out = to_queries ? !positive || related(batch, query, j) : batch->right[j] == batch->left[query];
		if (out && j != query) s[j] = left_out();
		most = fmaxf(most, s[j]);
		sum[2] += positive;
	}
	most = block_max(most);
	each(j, n) {
		float e = expf((s[j] - most) * inverse);  // NaN where s is, and then of all
		sum[0] += e;
		if (e != 0) sum[1] += double(e) * s[j];
	}
	block_sums(sum);
	float scale = weight * inverse / sum[2];
	each(j, n) {
		float p = expf((s[j] - most) * inverse) / sum[0];
		ds[j] = to_operand(j == query ? p * scale - scale : p * scale);
	}
	if (threadIdx.x) return;
	double share = weight / sum[2];
	sums[0] = share * (log(sum[0]) + (double(most) - mine) * inverse);
	sums[1] = share * inverse * (sum[1] / sum[0] - mine);
}

// The loss and its derivative by theta[0]: the sums of sums [rows, 2], by one block.
extern "C" __global__ void __launch_bounds__(1024) contrast_loss(const double *__restrict__ sums, float *__restrict__ loss, float *__restrict__ dtheta, int rows) {
	double total[2] = {0, 0};
	each(i, rows) total[0] += sums[2 * i], total[1] += sums[2 * i + 1];
	block_sums(total);
	if (threadIdx.x) return;
	*loss = total[0];
	*dtheta = total[1];
}
