// What all kernels use. NVRTC compiles them without headers, so the types are
// the language's own.

// What varies between steps; laid out as Job in job.go.
struct job {
	const float *table;       // [_, width] embeddings
	const float *offset;      // [d], which is taken off them, or null
	const int *left, *right;  // [lefts], [_] rows of the table
	const float *labels;      // [lefts]
	const int *groups;        // [lefts], or null
	unsigned long long seed;
	unsigned step, row;
	unsigned bound;  // an element is zeroed where its random word is smaller
	float scale;     // of the others
	int lefts;
	float low;       // the lower end of the label range
	int width;       // numbers of a row of the table
};

#ifdef BF16
typedef unsigned short operand;
#else
typedef float operand;
#endif

// The bits of x without the lowest ones, rounded to nearest even; a NaN stays one.
template <int LOWEST>
static __device__ __forceinline__ unsigned rounded(float x) {
	unsigned bits = __float_as_uint(x), lowest = (1u << LOWEST) - 1;
	bits = x != x ? bits | 0x00400000 : bits + lowest / 2 + (bits >> LOWEST & 1);
	return bits & ~lowest;
}

// A number of X, M or dP.
static __device__ __forceinline__ operand to_operand(float x) {
#if defined(BF16)
	return (unsigned short)(rounded<16>(x) >> 16);
#elif defined(TF32)
	return __uint_as_float(rounded<13>(x));
#else
	return x;
#endif
}

static __device__ __forceinline__ bool aligned(const void *p) { return ((unsigned long long)p & 15) == 0; }

// Four neighbouring floats; of those only the first count are there, and the
// others are 0. Wide says that p is a multiple of 16 bytes.
static __device__ __forceinline__ float4 load4(const float *p, int count, bool wide) {
	if (wide && count >= 4) return *(const float4 *)p;
	float4 v = make_float4(0, 0, 0, 0);
	if (count > 0) v.x = p[0];
	if (count > 1) v.y = p[1];
	if (count > 2) v.z = p[2];
	if (count > 3) v.w = p[3];
	return v;
}

static __device__ __forceinline__ void store4(float *p, float4 v, int count, bool wide) {
	if (wide && count >= 4) {
		*(float4 *)p = v;
		return;
	}
	if (count > 0) p[0] = v.x;
	if (count > 1) p[1] = v.y;
	if (count > 2) p[2] = v.z;
	if (count > 3) p[3] = v.w;
}

// The same of operands, which are rounded on the way.
static __device__ __forceinline__ void store_operands(operand *p, float4 v, int count, bool wide) {
#ifdef BF16
	if (wide && count >= 4) {
		*(ushort4 *)p = make_ushort4(to_operand(v.x), to_operand(v.y), to_operand(v.z), to_operand(v.w));
		return;
	}
	if (count > 0) p[0] = to_operand(v.x);
	if (count > 1) p[1] = to_operand(v.y);
	if (count > 2) p[2] = to_operand(v.z);
	if (count > 3) p[3] = to_operand(v.w);
#else
	store4(p, make_float4(to_operand(v.x), to_operand(v.y), to_operand(v.z), to_operand(v.w)), count, wide);
#endif
}
