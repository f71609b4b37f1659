// What a compiled kernel and the device process know of each other. The shim
// that stands in front of CUDA C includes it, so it names no standard header.
#pragma once

struct uint3 {
  unsigned x, y, z;
};

// A CUDA thread as its kernel sees it.
struct CosfitThread {
  uint3 threadIdx, blockIdx, blockDim, gridDim;
  unsigned lane;
};

enum CosfitWarpOperation {
  cosfitShuffle,
  cosfitShuffleUp,
  cosfitShuffleDown,
  cosfitShuffleXor,
  cosfitBallot,
  cosfitAny,
  cosfitAll,
  cosfitSyncWarp,
};

// What the generated stub says of a kernel: how to call it with its packed
// parameters, where each of them lies, and the bound of __launch_bounds__ (0
// where there is none).
struct CosfitKernel {
  void (*invoke)(const char* parameters);
  unsigned count;
  const unsigned* offsets;
  const unsigned* sizes;
  unsigned maxThreads;
};

// The device process's services to a kernel.
extern "C" {
extern const CosfitThread* cosfit_fake_thread;  // the one that is running
void cosfit_fake_barrier(int line);
unsigned cosfit_fake_warp(int operation, unsigned mask, unsigned value, unsigned source, int line);
void* cosfit_fake_shared(int site, unsigned long size, int line);
void cosfit_fake_fence();
void cosfit_fake_assert(const char* condition, const char* file, int line);
}
