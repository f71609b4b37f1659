// The CUDA C that kernels are written in, for g++. It stands in front of each
// kernel's source, and offers what NVRTC offers without headers and no more: no
// uint32_t, no NAN, no INFINITY, no <math.h>.
//
// __global__, __shared__ and __launch_bounds__ stay as they are here: nvrtc.cc
// reads them after the preprocessor.
#pragma once
#include "interface.h"

#define COSFIT_FAKE_DEVICE 1

#define __device__
#define __host__
#define __constant__ cosfit_fake_has_no_constant_memory
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) alignas(n)
#define __restrict__ __restrict

#define threadIdx (cosfit_fake_thread->threadIdx)
#define blockIdx (cosfit_fake_thread->blockIdx)
#define blockDim (cosfit_fake_thread->blockDim)
#define gridDim (cosfit_fake_thread->gridDim)
#define warpSize 32

#define assert(condition) ((condition) ? (void)0 : cosfit_fake_assert(#condition, __FILE__, __LINE__))

typedef decltype(sizeof 0) size_t;

// Vectors.

// clang-format off
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct float3 { float x, y, z; };
struct ushort2 { unsigned short x, y; };
struct alignas(8) ushort4 { unsigned short x, y, z, w; };
// clang-format on

static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static inline ushort2 make_ushort2(unsigned short x, unsigned short y) { return {x, y}; }
static inline ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z, unsigned short w) {
  return {x, y, z, w};
}

// Bits.

static inline unsigned __float_as_uint(float f) {
  unsigned u;
  __builtin_memcpy(&u, &f, 4);
  return u;
}
static inline int __float_as_int(float f) { return (int)__float_as_uint(f); }
static inline float __uint_as_float(unsigned u) {
  float f;
  __builtin_memcpy(&f, &u, 4);
  return f;
}
static inline float __int_as_float(int i) { return __uint_as_float((unsigned)i); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
static inline int __popc(unsigned u) { return __builtin_popcount(u); }
static inline int __clz(int i) { return i ? __builtin_clz((unsigned)i) : 32; }
static inline int __ffs(int i) { return __builtin_ffs(i); }
static inline unsigned __brev(unsigned u) {
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= (u >> i & 1) << (31 - i);
  return r;
}

// Mathematics. The C library's functions, declared here.

// clang-format off
extern "C" {
float sqrtf(float); float fmaf(float, float, float); float fmaxf(float, float); float fminf(float, float);
float expf(float); float exp2f(float); float expm1f(float);
float logf(float); float log2f(float); float log10f(float); float log1pf(float);
float tanhf(float); float sinf(float); float cosf(float); float erff(float); float powf(float, float); float fabsf(float);
float floorf(float); float ceilf(float); float truncf(float); float roundf(float); float rintf(float); float fmodf(float, float);
float copysignf(float, float); float ldexpf(float, int); float cbrtf(float); float hypotf(float, float);
double sqrt(double); double exp(double); double log(double); double pow(double, double);
double fabs(double); double fma(double, double, double);
int printf(const char*, ...);
}
// clang-format on
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __powf(float x, float y) { return powf(x, y); }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frsqrt_rn(float x) { return rsqrtf(x); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
static inline float __int2float_rn(int i) { return (float)i; }
static inline float __uint2float_rn(unsigned u) { return (float)u; }
static inline int __float2int_rn(float x) { return (int)rintf(x); }
static inline int __float2int_rz(float x) { return (int)x; }
static inline bool isnan(float x) { return __builtin_isnan(x); }
static inline bool isinf(float x) { return __builtin_isinf(x); }
static inline bool isfinite(float x) { return __builtin_isfinite(x); }

#define COSFIT_FAKE_MIN_MAX(T)                            \
  static inline T min(T a, T b) { return b < a ? b : a; } \
  static inline T max(T a, T b) { return a < b ? b : a; }
COSFIT_FAKE_MIN_MAX(int)
COSFIT_FAKE_MIN_MAX(unsigned)
COSFIT_FAKE_MIN_MAX(long long)
COSFIT_FAKE_MIN_MAX(unsigned long long)
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline int abs(int i) { return i < 0 ? -i : i; }

// Memory. Atomics order nothing but themselves, as on a device; fences do.

template <class T>
static inline T __ldg(const T* p) {
  return *p;
}
template <class T>
static inline T __ldcs(const T* p) {
  return *p;
}
template <class T>
static inline void __stcs(T* p, T value) {
  *p = value;
}
static inline void __threadfence() { cosfit_fake_fence(); }
static inline void __threadfence_block() { cosfit_fake_fence(); }

#define COSFIT_FAKE_ATOMICS(T)                                                                                \
  static inline T atomicAdd(T* p, T v) { return __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }                 \
  static inline T atomicExch(T* p, T v) { return __atomic_exchange_n(p, v, __ATOMIC_RELAXED); }               \
  static inline T atomicCAS(T* p, T compare, T v) {                                                           \
    __atomic_compare_exchange_n(p, &compare, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);                   \
    return compare;                                                                                           \
  }                                                                                                           \
  static inline T atomicMax(T* p, T v) {                                                                      \
    T old = __atomic_load_n(p, __ATOMIC_RELAXED);                                                             \
    while (old < v && !__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {} \
    return old;                                                                                               \
  }                                                                                                           \
  static inline T atomicMin(T* p, T v) {                                                                      \
    T old = __atomic_load_n(p, __ATOMIC_RELAXED);                                                             \
    while (v < old && !__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {} \
    return old;                                                                                               \
  }
COSFIT_FAKE_ATOMICS(int)
COSFIT_FAKE_ATOMICS(unsigned)
COSFIT_FAKE_ATOMICS(unsigned long long)
static inline unsigned atomicOr(unsigned* p, unsigned v) { return __atomic_fetch_or(p, v, __ATOMIC_RELAXED); }
static inline unsigned atomicAnd(unsigned* p, unsigned v) { return __atomic_fetch_and(p, v, __ATOMIC_RELAXED); }
static inline float atomicAdd(float* p, float v) {
  unsigned* bits = (unsigned*)p;
  unsigned old = __atomic_load_n(bits, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(bits, &old, __float_as_uint(__uint_as_float(old) + v), false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {}
  return __uint_as_float(old);
}

// Barriers and warps. The line is the caller's, for the messages.

static inline void __syncthreads(int line = __builtin_LINE()) { cosfit_fake_barrier(line); }
static inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
  cosfit_fake_warp(cosfitSyncWarp, mask, 0, cosfit_fake_thread->lane, line);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return cosfit_fake_warp(cosfitBallot, mask, predicate != 0, 0, line);
}
static inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return cosfit_fake_warp(cosfitAny, mask, predicate != 0, 0, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return cosfit_fake_warp(cosfitAll, mask, predicate == 0, 0, line) == 0;
}

// The lane that a shuffle within segments of a width reads; its own where the
// other one lies outside.
static inline unsigned cosfit_fake_source(int operation, int argument, int width) {
  int lane = (int)cosfit_fake_thread->lane, first = lane & ~(width - 1), source = lane;
  switch (operation) {
    case cosfitShuffle: return (unsigned)(first + (argument & (width - 1)));
    case cosfitShuffleUp: source = lane - argument; break;
    case cosfitShuffleDown: source = lane + argument; break;
    case cosfitShuffleXor: source = lane ^ argument; return (unsigned)(source >= first + width ? lane : source);
  }
  return (unsigned)(source < first || source >= first + width ? lane : source);
}

#define COSFIT_FAKE_SHUFFLE(name, operation, A, T, toBits, fromBits)                                                  \
  static inline T name(unsigned mask, T value, A argument, int width = 32, int line = __builtin_LINE()) {             \
    return fromBits(                                                                                                  \
        cosfit_fake_warp(operation, mask, toBits(value), cosfit_fake_source(operation, (int)argument, width), line)); \
  }
#define COSFIT_FAKE_SHUFFLES(T, toBits, fromBits)                                         \
  COSFIT_FAKE_SHUFFLE(__shfl_sync, cosfitShuffle, int, T, toBits, fromBits)               \
  COSFIT_FAKE_SHUFFLE(__shfl_up_sync, cosfitShuffleUp, unsigned, T, toBits, fromBits)     \
  COSFIT_FAKE_SHUFFLE(__shfl_down_sync, cosfitShuffleDown, unsigned, T, toBits, fromBits) \
  COSFIT_FAKE_SHUFFLE(__shfl_xor_sync, cosfitShuffleXor, int, T, toBits, fromBits)
COSFIT_FAKE_SHUFFLES(float, __float_as_uint, __uint_as_float)
COSFIT_FAKE_SHUFFLES(int, (unsigned), (int))
COSFIT_FAKE_SHUFFLES(unsigned, (unsigned), (unsigned))

// A double goes as its halves, one after the other.
#define COSFIT_FAKE_SHUFFLE_DOUBLE(name, A)                                                                   \
  static inline double name(unsigned mask, double value, A argument, int width = 32, int line = __builtin_LINE()) { \
    unsigned halves[2];                                                                                       \
    __builtin_memcpy(halves, &value, 8);                                                                      \
    for (unsigned& half : halves) half = name(mask, half, argument, width, line);                             \
    __builtin_memcpy(&value, halves, 8);                                                                      \
    return value;                                                                                             \
  }
COSFIT_FAKE_SHUFFLE_DOUBLE(__shfl_sync, int)
COSFIT_FAKE_SHUFFLE_DOUBLE(__shfl_up_sync, unsigned)
COSFIT_FAKE_SHUFFLE_DOUBLE(__shfl_down_sync, unsigned)
COSFIT_FAKE_SHUFFLE_DOUBLE(__shfl_xor_sync, int)

// What nvrtc.cc makes of `__shared__ float tile[16][17];` :
// `auto& tile = cosfit_shared<float[16][17]>(site);`.
template <class T>
static inline T& cosfit_shared(int site, int line = __builtin_LINE()) {
  return *static_cast<T*>(cosfit_fake_shared(site, sizeof(T), line));
}

// What it appends for each kernel: the layout of the parameters, each at its
// natural alignment, and the call.
template <int... I>
struct CosfitIndices {};
template <class... P>
struct CosfitLayout {
  unsigned offsets[sizeof...(P) + 1] = {}, sizes[sizeof...(P) + 1] = {sizeof(P)...};
  constexpr CosfitLayout() {
    unsigned aligns[] = {alignof(P)..., 1}, end = 0;
    for (unsigned i = 0; i < sizeof...(P); i++) {
      offsets[i] = (end + aligns[i] - 1) / aligns[i] * aligns[i];
      end = offsets[i] + sizes[i];
    }
  }
};
template <auto kernel>
struct CosfitStub;
template <class... P, void (*kernel)(P...)>
struct CosfitStub<kernel> {
  static constexpr CosfitLayout<P...> layout{};
  template <int... I>
  static void call(const char* parameters, CosfitIndices<I...>) {
    kernel(*(const P*)(parameters + layout.offsets[I])...);
  }
  static void invoke(const char* parameters) { call(parameters, CosfitIndices<__integer_pack(sizeof...(P))...>()); }
  static constexpr CosfitKernel describe(unsigned maxThreads) {
    return {invoke, sizeof...(P), layout.offsets, layout.sizes, maxThreads};
  }
};
