// The driver's API (libcuda.so.1) begins here: the device, its context, errors.
// Handles are integers in the place of pointers.
#include <cstdlib>
#include <cstring>

#include "driver.h"

Driver driver;

namespace {

thread_local uint64_t current = 0;  // this thread's context

constexpr int sharedMemory = 48 << 10, maxThreads = 1024;

// clang-format off
const std::map<int, int> attributes = {
    {1, maxThreads},                 // MAX_THREADS_PER_BLOCK
    {2, 1024}, {3, 1024}, {4, 64},   // MAX_BLOCK_DIM
    {5, 0x7fffffff},                 // MAX_GRID_DIM
    {6, 65535}, {7, 65535},
    {8, sharedMemory},               // MAX_SHARED_MEMORY_PER_BLOCK
    {10, 32},                        // WARP_SIZE
    {12, 65536}, {82, 65536},        // MAX_REGISTERS_PER_BLOCK, PER_MULTIPROCESSOR
    {13, 1000000},                   // CLOCK_RATE, kHz
    {16, 4},                         // MULTIPROCESSOR_COUNT
    {18, 0}, {32, 0}, {35, 0},       // INTEGRATED, ECC_ENABLED, TCC_DRIVER
    {31, 1}, {40, 1}, {41, 1},       // CONCURRENT_KERNELS, ASYNC_ENGINE_COUNT, UNIFIED_ADDRESSING
    {33, 0}, {34, 0}, {50, 0},       // PCI_BUS_ID, PCI_DEVICE_ID, PCI_DOMAIN_ID
    {36, 1000000}, {37, 128},        // MEMORY_CLOCK_RATE, kHz; GLOBAL_MEMORY_BUS_WIDTH, bits
    {38, 4 << 20},                   // L2_CACHE_SIZE
    {39, 2048}, {106, 32},           // MAX_THREADS, MAX_BLOCKS_PER_MULTIPROCESSOR
    {75, 9}, {76, 0},                // COMPUTE_CAPABILITY
    {81, 4 * sharedMemory},          // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    {97, sharedMemory},              // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    {83, 0}, {115, 0},               // MANAGED_MEMORY, MEMORY_POOLS_SUPPORTED
};
// clang-format on

// Settings.

uint64_t memoryLimit() {
  const char* setting = getenv("COSFIT_FAKE_MEMORY");
  return setting && *setting ? strtoull(setting, nullptr, 10) : 1 << 30;
}

bool settingsAreRight() {
  const char* order = getenv("COSFIT_FAKE_ORDER");
  std::string set = order ? order : "";
  bool seeded =
      set.rfind("random:", 0) == 0 && set.size() > 7 && set.find_first_not_of("0123456789", 7) == std::string::npos;
  if (!set.empty() && set != "ascending" && set != "descending" && !seeded) {
    complain(format("COSFIT_FAKE_ORDER is %s, and may be ascending, descending or random:SEED", order));
    return false;
  }
  const char* memory = getenv("COSFIT_FAKE_MEMORY");
  if (memory && (!memoryLimit() || strspn(memory, "0123456789") != strlen(memory))) {
    complain(format("COSFIT_FAKE_MEMORY is %s, and must be a number of bytes", memory));
    return false;
  }
  return true;
}

// Contexts.

int retain(uint64_t* contextOut, int ordinal) {
  if (ordinal != 0) return refuse(CUDA_ERROR_INVALID_DEVICE, format("device %d, and there is one", ordinal));
  if (!driver.retained) {
    driver.device = std::make_unique<Device>();
    driver.device->legacy->blocking = true;
    driver.device->limit = memoryLimit();
    if (!driver.device->child.started()) return driver.device.reset(), CUDA_ERROR_UNKNOWN;
  }
  driver.retained++;
  *contextOut = device().handle;
  return 0;
}

// The last release ends the device process. What is still there by then is
// named: the real driver frees it without a word.
int releaseContext() {
  if (!driver.retained) return refuse(CUDA_ERROR_INVALID_CONTEXT, "released more often than retained");
  if (--driver.retained) return 0;
  Device& d = device();
  size_t live = 0;
  for (auto& [address, a] : d.memory.all()) live += !a.freed;
  if (live + d.pinned.size() + d.streams.size() + d.events.size() + d.modules.size() + d.graphs.size() +
          d.executables.size() &&
      !d.broken)
    complain(format(
        "%s: released with %zu allocations, %zu pinned buffers, %zu streams, %zu events, %zu modules, %zu graphs alive",
        driver.call, live, d.pinned.size(), d.streams.size(), d.events.size(), d.modules.size(),
        d.graphs.size() + d.executables.size()));
  driver.device.reset();
  return 0;
}

}  // namespace

const char* errorName(int code) {
  switch (code) {
#define COSFIT_ERROR(name, code) \
  case code: return #name;
    COSFIT_CUDA_ERRORS(COSFIT_ERROR)
#undef COSFIT_ERROR
  }
  return nullptr;
}

int refuse(int code, const std::string& message) {
  complain(format("%s: ", driver.call) + message + " (" + errorName(code) + ")");
  return code;
}

int ready(unsigned needs) {
  if (needs & 1 && !driver.initialised) return refuse(CUDA_ERROR_NOT_INITIALIZED, "called before cuInit");
  if (needs & 2 && (!driver.device || current != device().handle))
    return refuse(CUDA_ERROR_INVALID_CONTEXT,
                  "this OS thread has no current context: call cuCtxSetCurrent on it, and keep the goroutine on it");
  if (needs & 2 && device().broken) return device().broken;
  if (needs & 4 && device().capturing(true)) {
    device().invalidateCaptures();
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "called while a stream is being captured");
  }
  return 0;
}

extern "C" {

// Initialisation, device, context.

int cuInit(unsigned flags) {
  return api(__func__, nothing, [&] {
    if (flags) return refuse(CUDA_ERROR_INVALID_VALUE, format("flags %u", flags));
    if (!settingsAreRight()) return int(CUDA_ERROR_UNKNOWN);
    settleAddresses();
    driver.initialised = true;
    return 0;
  });
}

int cuDriverGetVersion(int* version) { return *version = 12090, 0; }

int cuDeviceGetCount(int* count) {
  return api(__func__, initialised, [&] { return *count = 1, 0; });
}

int cuDeviceGet(int* out, int ordinal) {
  return api(__func__, initialised, [&] {
    if (ordinal) return refuse(CUDA_ERROR_INVALID_DEVICE, format("device %d, and there is one", ordinal));
    return *out = 0, 0;
  });
}

int cuDeviceGetName(char* name, int size, int) {
  return api(__func__, initialised, [&] { return snprintf(name, size_t(size), "fake device on the CPU"), 0; });
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
  return api(__func__, initialised, [&] {
    auto found = attributes.find(attribute);
    if (found == attributes.end())
      return refuse(CUDA_ERROR_INVALID_VALUE, format("the fake has no attribute %d", attribute));
    return *value = found->second, 0;
  });
}

int cuDeviceTotalMem_v2(size_t* bytes, int) {
  return api(__func__, initialised, [&] { return *bytes = memoryLimit(), 0; });
}

int cuDevicePrimaryCtxRetain(uint64_t* out, int ordinal) {
  return api(__func__, initialised, [&] { return retain(out, ordinal); });
}

int cuDevicePrimaryCtxRelease_v2(int) { return api(__func__, initialised, releaseContext); }

int cuCtxSetCurrent(uint64_t handle) {
  return api(__func__, initialised, [&] {
    if (handle && (!driver.device || handle != device().handle))
      return refuse(CUDA_ERROR_INVALID_CONTEXT, format("0x%llx is no context, or was one", ull(handle)));
    return current = handle, 0;
  });
}

int cuCtxSynchronize() {
  return api(__func__, context, [&] {
    if (device().capturing(false)) {
      device().invalidateCaptures();
      return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "called while a stream is being captured");
    }
    return device().drainAll();
  });
}

// Errors.

int cuGetErrorName(int code, const char** name) {
  *name = errorName(code);
  return *name ? 0 : CUDA_ERROR_INVALID_VALUE;
}

int cuGetErrorString(int code, const char** text) { return cuGetErrorName(code, text); }

// The old functions of these names take 32-bit sizes and addresses.

#define COSFIT_OLD(name, suffixed)                                                                                  \
  int name() {                                                                                                      \
    return api(__func__, nothing, [] {                                                                              \
      return refuse(CUDA_ERROR_NOT_SUPPORTED, "this is the old function, which takes other types; bind " suffixed); \
    });                                                                                                             \
  }
COSFIT_OLD(cuDeviceTotalMem, "cuDeviceTotalMem_v2")
COSFIT_OLD(cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2")
COSFIT_OLD(cuMemGetInfo, "cuMemGetInfo_v2")
COSFIT_OLD(cuMemAlloc, "cuMemAlloc_v2")
COSFIT_OLD(cuMemFree, "cuMemFree_v2")
COSFIT_OLD(cuMemcpyHtoD, "cuMemcpyHtoD_v2")
COSFIT_OLD(cuMemcpyDtoH, "cuMemcpyDtoH_v2")
COSFIT_OLD(cuMemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2")
COSFIT_OLD(cuMemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2")
COSFIT_OLD(cuMemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2")
COSFIT_OLD(cuStreamDestroy, "cuStreamDestroy_v2")
COSFIT_OLD(cuEventDestroy, "cuEventDestroy_v2")
COSFIT_OLD(cuStreamBeginCapture, "cuStreamBeginCapture_v2")

}  // extern "C"
