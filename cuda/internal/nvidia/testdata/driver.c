// A libcuda.so.1 that does nothing but write down how it was called, with the
// types of cuda.h, so that a test sees each argument arrive where it belongs.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long address;
typedef void *handle;

static char written[1 << 16];
static int answer;

// take gives back what was written so far and begins anew; from then on every
// call is answered with code.
const char *take(int code) {
	static char last[sizeof written];
	strcpy(last, written);
	written[0] = 0;
	answer = code;
	return last;
}

static int note(const char *format, ...) {
#ifdef QUIET
	return answer;
#endif
	size_t n = strlen(written);
	va_list values;
	va_start(values, format);
	vsnprintf(written + n, sizeof written - n, format, values);
	va_end(values);
	return answer;
}

#ifndef INIT
#define INIT 0
#endif
int cuInit(unsigned flags) { return flags ? 1 : INIT; }
int cuDriverGetVersion(int *v) { *v = 12040; return 0; }
int cuGetErrorName(int e, const char **s) { *s = e == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : e == 1 ? "CUDA_ERROR_INVALID_VALUE" : 0; return 0; }
int cuGetErrorString(int e, const char **s) { *s = e == 2 ? "out of memory" : e == 1 ? "invalid argument" : 0; return 0; }

int cuDeviceGetCount(int *n) { *n = 2; return answer; }
int cuDeviceGet(int *d, int i) { *d = 70 + i; return note("get %d\n", i); }
int cuDeviceGetName(char *name, int n, int d) { snprintf(name, n, "stub of %d", d); return note("name %d\n", d); }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 9 : a == 76 ? 0 : 132; return note("attribute %d %d\n", a, d); }
int cuDeviceTotalMem_v2(size_t *bytes, int d) { *bytes = 85ul << 30; return note("total %d\n", d); }
int cuDevicePrimaryCtxRetain(handle *c, int d) { *c = (handle)0xc0; return note("retain %d\n", d); }
int cuDevicePrimaryCtxRelease_v2(int d) { return note("release %d\n", d); }
int cuCtxSetCurrent(handle c) { return note("current %p\n", c); }

int cuMemGetInfo_v2(size_t *free, size_t *total) { *free = 3ul << 32; *total = 5ul << 32; return answer; }
int cuMemAlloc_v2(address *p, size_t n) { *p = 0x7f0000000100; return note("alloc %zu\n", n); }
int cuMemFree_v2(address p) { return note("free %llx\n", p); }
int cuMemHostAlloc(void **p, size_t n, unsigned flags) { *p = calloc(1, n); return note("pinned %zu %u\n", n, flags); }
int cuMemFreeHost(void *p) { free(p); return note("free pinned\n"); }
int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t n, handle s) { return note("to device %llx %d %zu %p\n", to, *(const int *)from, n, s); }
int cuMemcpyDtoHAsync_v2(void *to, address from, size_t n, handle s) { *(int *)to = 99; return note("to host %llx %zu %p\n", from, n, s); }
int cuMemcpyDtoDAsync_v2(address to, address from, size_t n, handle s) { return note("copy %llx %llx %zu %p\n", to, from, n, s); }
int cuMemsetD32Async(address to, unsigned v, size_t n, handle s) { return note("fill %llx %x %zu %p\n", to, v, n, s); }

int cuStreamCreate(handle *s, unsigned flags) { *s = (handle)0x50; return note("stream %u\n", flags); }
int cuStreamDestroy_v2(handle s) { return note("destroy stream %p\n", s); }
int cuStreamSynchronize(handle s) { return note("synchronize %p\n", s); }
int cuStreamWaitEvent(handle s, handle e, unsigned flags) { return note("wait %p %p %u\n", s, e, flags); }
int cuEventCreate(handle *e, unsigned flags) { *e = (handle)(0xe0ul + flags); return note("event %u\n", flags); }
int cuEventDestroy_v2(handle e) { return note("destroy event %p\n", e); }
int cuEventRecord(handle e, handle s) { return note("record %p %p\n", e, s); }
int cuEventSynchronize(handle e) { return note("synchronize event %p\n", e); }
int cuEventElapsedTime(float *ms, handle start, handle end) { *ms = 1.5f; return note("elapsed %p %p\n", start, end); }

int cuModuleLoadData(handle *m, const void *image) { *m = (handle)0xd0; return note("load %s\n", (const char *)image); }
int cuModuleUnload(handle m) { return note("unload %p\n", m); }
int cuModuleGetFunction(handle *f, handle m, const char *name) { *f = (handle)0xf0; return note("function %p %s\n", m, name); }
int cuFuncGetAttribute(int *v, int a, handle f) { *v = 40 + a; return note("resource %d %p\n", a, f); }

#ifndef OLD // this one came with CUDA 12.4
int cuFuncGetParamInfo(handle f, size_t i, size_t *offset, size_t *size) {
	static const size_t offsets[] = {0, 8, 12, 16}, sizes[] = {8, 4, 4, 8};
	if (f != (handle)0xf0 || i > 3) return 1;
	*offset = offsets[i], *size = sizes[i];
	return 0;
}
#endif

int cuLaunchKernel(handle f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, handle s, void **params, void **extra) {
	return note("launch %p %u %u %u, %u %u %u, %u %p: %llx %d %g %llu, %p\n", f, gx, gy, gz, bx, by, bz, shared, s,
		*(address *)params[0], *(int *)params[1], *(float *)params[2], *(unsigned long long *)params[3], (void *)extra);
}

int cuStreamBeginCapture_v2(handle s, int mode) { return note("begin %p %d\n", s, mode); }
int cuStreamEndCapture(handle s, handle *g) { *g = (handle)0xa0; return note("end %p\n", s); }
#ifndef ANCIENT // and this one with 11.4
int cuGraphInstantiateWithFlags(handle *x, handle g, unsigned long long flags) { *x = (handle)0xb0; return note("instantiate %p %llu\n", g, flags); }
#endif
int cuGraphLaunch(handle x, handle s) { return note("launch graph %p %p\n", x, s); }
int cuGraphExecDestroy(handle x) { return note("destroy exec %p\n", x); }
int cuGraphDestroy(handle g) { return note("destroy graph %p\n", g); }
