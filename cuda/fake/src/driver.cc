// The driver's API (libcuda.so.1). Handles are integers in the place of pointers.
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "driver.h"

Driver driver;

namespace {

thread_local bool current = false;  // whether the context is this thread's

constexpr uint64_t contextHandle = 0xfa4ec0de;
constexpr int sharedMemory = 48 << 10, maxThreads = 1024;

const std::map<int, const char*> errors = {
    {CUDA_SUCCESS, "CUDA_SUCCESS"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
    {CUDA_ERROR_ASSERT, "CUDA_ERROR_ASSERT"},
    {CUDA_ERROR_MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
    {CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED"},
    {CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED"},
    {CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION"},
    {CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"},
    {CUDA_ERROR_CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT"},
    {CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN"},
};

const std::map<int, int> attributes = {
    {1, maxThreads},                 // MAX_THREADS_PER_BLOCK
    {2, 1024}, {3, 1024}, {4, 64},   // MAX_BLOCK_DIM
    {5, 0x7fffffff}, {6, 65535}, {7, 65535},  // MAX_GRID_DIM
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

unsigned long long ull(uint64_t n) { return n; }
uint64_t at(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }
Device& device() { return *driver.device; }

// Settings.

uint64_t memoryLimit() {
  const char* setting = getenv("COSFIT_FAKE_MEMORY");
  return setting && *setting ? strtoull(setting, nullptr, 10) : 1 << 30;
}

bool settingsAreRight() {
  const char* order = getenv("COSFIT_FAKE_ORDER");
  std::string set = order ? order : "";
  bool seeded = set.rfind("random:", 0) == 0 && set.size() > 7 && set.find_first_not_of("0123456789", 7) == std::string::npos;
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

// The object behind a handle; where there is none, code says so.
template <class T>
std::shared_ptr<T> object(const Table<T>& table, uint64_t handle, const char* what, int& code) {
  std::shared_ptr<T> found = table.get(handle);
  code = found ? 0 : refuse(CUDA_ERROR_INVALID_HANDLE, format("0x%llx is no %s, or was one", ull(handle), what));
  return found;
}

std::shared_ptr<Stream> streamOf(uint64_t handle, int& code) {
  code = 0;
  return handle ? object(device().streams, handle, "stream", code) : device().legacy;
}

// Memory.

int checkDevice(uint64_t address, uint64_t size) {
  if (!size || device().memory.holds(address, size)) return 0;
  uint64_t last = address + size - 1;
  bool starts = device().memory.holds(address, 1);
  return refuse(CUDA_ERROR_INVALID_VALUE, format("%llu bytes at device address 0x%llx: 0x%llx is ", ull(size), ull(address), ull(starts ? last : address)) +
                                              device().memory.describe(starts ? last : address));
}

int checkHost(const void* host) {
  if (host && !isDevice(at(host))) return 0;
  return refuse(CUDA_ERROR_INVALID_VALUE, format("%p is no memory of the host's", host));
}

// A range that was right when the call was made must still be so in its turn.
int stillThere(const char* call, uint64_t address, uint64_t size) {
  if (!size || device().memory.holds(address, size)) return 0;
  complain(format("%s: %llu bytes at device address 0x%llx: ", call, ull(size), ull(address)) + device().memory.describe(address) + " (CUDA_ERROR_ILLEGAL_ADDRESS)");
  return CUDA_ERROR_ILLEGAL_ADDRESS;
}

int stillPinned(const char* call, const void* host, uint64_t size) {
  if (!size || device().isPinned(host, size)) return 0;
  complain(format("%s: the pinned memory at %p was freed before the copy had its turn (CUDA_ERROR_ILLEGAL_ADDRESS)", call, host));
  return CUDA_ERROR_ILLEGAL_ADDRESS;
}

enum class Way { toDevice, toHost };

// A copy between host and device: pageable memory at once, pinned memory in its turn.
int copy(Way way, uint64_t address, void* host, uint64_t size, bool pinned, uint64_t streamHandle) {
  int code = checkDevice(address, size);
  if (!code && size) code = checkHost(host);
  if (code) return code;
  if (pinned && size && !device().isPinned(host, size))
    return refuse(CUDA_ERROR_INVALID_VALUE, format("asynchronous copy from memory that is not pinned, or to it: %llu bytes at %p", ull(size), host));
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  code = device().enqueue(stream, [=, call = driver.call] {
    int code = stillThere(call, address, size);
    if (!code && pinned) code = stillPinned(call, host, size);
    if (code || !size) return code;
    char* view = device().child.view(address);
    way == Way::toDevice ? memcpy(view, host, size) : memcpy(host, view, size);
    return 0;
  });
  if (code || pinned) return code;
  return device().drain(*stream, stream->issued);
}

int fill(uint64_t address, const void* element, size_t width, uint64_t count, uint64_t streamHandle) {
  int code = checkDevice(address, width * count);
  if (!code && address % width) code = refuse(CUDA_ERROR_INVALID_VALUE, format("address 0x%llx is not aligned to %zu bytes", ull(address), width));
  if (code) return code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  std::string bytes(static_cast<const char*>(element), width);
  return device().enqueue(stream, [=, call = driver.call] {
    int code = stillThere(call, address, width * count);
    for (uint64_t i = 0; !code && i < count; i++) memcpy(device().child.view(address + i * width), bytes.data(), width);
    return code;
  });
}

int allocate(uint64_t* address, uint64_t size) {
  if (!address || !size) return refuse(CUDA_ERROR_INVALID_VALUE, format("%llu bytes", ull(size)));
  Device& d = device();
  if (size > d.limit - d.used)
    return refuse(CUDA_ERROR_OUT_OF_MEMORY, format("%llu bytes, and %llu of %llu are free", ull(size), ull(d.limit - d.used), ull(d.limit)));
  *address = d.memory.place(size);
  if (!*address) return refuse(CUDA_ERROR_OUT_OF_MEMORY, "the fake has no addresses left");
  const Allocation& a = d.memory.add(*address, size);
  memset(d.child.view(a.firstPage()), poison, a.pages());
  d.used += size;
  Request request{};
  request.ask = Ask::map;
  request.range = {a.address, a.size};
  return d.child.ask(request).code;
}

int release(uint64_t address) {
  if (!address) return 0;
  Device& d = device();
  Allocation* a = d.memory.live(address);
  if (!a) return refuse(CUDA_ERROR_INVALID_VALUE, format("0x%llx cannot be freed: it is ", ull(address)) + d.memory.describe(address));
  a->freed = true;
  d.used -= a->size;
  d.child.discard(*a);
  Request request{};
  request.ask = Ask::unmap;
  request.range = {a->address, a->size};
  return d.child.ask(request).code;
}

// Contexts.

int retain(uint64_t* contextOut, int ordinal) {
  if (ordinal != 0) return refuse(CUDA_ERROR_INVALID_DEVICE, format("device %d, and there is one", ordinal));
  if (!driver.retained) {
    driver.device = std::make_unique<Device>();
    driver.device->legacy->blocking = true;
    driver.device->limit = memoryLimit();
    if (!driver.device->child.started()) return CUDA_ERROR_UNKNOWN;
  }
  driver.retained++;
  *contextOut = contextHandle;
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
  if (live + d.pinned.size() + d.streams.size() + d.events.size() + d.modules.size() + d.graphs.size() + d.executables.size() && !d.broken)
    complain(format("%s: released with %zu allocations, %zu pinned buffers, %zu streams, %zu events, %zu modules, %zu graphs alive", driver.call, live,
                    d.pinned.size(), d.streams.size(), d.events.size(), d.modules.size(), d.graphs.size() + d.executables.size()));
  driver.device.reset();
  return 0;
}

// Modules. An image comes without its length; ELF's section headers, which the
// linker puts last, tell it.

uint64_t imageSize(const unsigned char* image) {
  if (memcmp(image, "\177ELF", 4)) return 0;
  uint64_t sections;
  uint16_t size, count;
  memcpy(&sections, image + 40, 8);
  memcpy(&size, image + 58, 2);
  memcpy(&count, image + 60, 2);
  return sections + size * count;
}

int loadModule(uint64_t* module, const void* image) {
  if (!module || !image) return refuse(CUDA_ERROR_INVALID_VALUE, "null");
  uint64_t size = imageSize(static_cast<const unsigned char*>(image));
  if (!size) return refuse(CUDA_ERROR_INVALID_IMAGE, "the image is nothing that the fake NVRTC made");
  int file = memfd_create("module", MFD_CLOEXEC);
  if (file < 0 || write(file, image, size) != ssize_t(size)) return refuse(CUDA_ERROR_UNKNOWN, "the image cannot be handed on");
  Request request{};
  request.ask = Ask::load;
  Reply reply = device().child.ask(request, sizeof request, file);
  close(file);
  if (!reply.code) *module = device().modules.add(std::make_shared<Module>(Module{reply.handle}));
  return reply.code;
}

int findFunction(uint64_t* function, uint64_t moduleHandle, const char* name) {
  int code;
  auto module = object(device().modules, moduleHandle, "module", code);
  if (code) return code;
  Request request{};
  request.ask = Ask::find;
  request.lookup.module = module->child;
  snprintf(request.lookup.name, sizeof request.lookup.name, "%s", name);
  Reply reply = device().child.ask(request);
  if (reply.code) return reply.code;
  Function f{moduleHandle, name, reply.handle, reply.maxThreads, {reply.parameters, reply.parameters + reply.count}};
  *function = device().functions.add(std::make_shared<Function>(f));
  return 0;
}

int unloadModule(uint64_t handle) {
  int code;
  auto module = object(device().modules, handle, "module", code);
  if (code) return code;
  device().modules.remove(handle);
  std::vector<uint64_t> gone;
  for (auto& [functionHandle, function] : device().functions)
    if (function->module == handle) gone.push_back(functionHandle);
  for (uint64_t functionHandle : gone) device().functions.remove(functionHandle);
  Request request{};
  request.ask = Ask::unload;
  request.module = module->child;
  return device().child.ask(request).code;
}

int functionAttribute(int* value, int attribute, uint64_t handle) {
  int code;
  auto function = object(device().functions, handle, "function", code);
  if (code) return code;
  switch (attribute) {
    case 0: *value = int(function->maxThreads); return 0;  // MAX_THREADS_PER_BLOCK
    case 4: *value = 32; return 0;                         // NUM_REGS
    case 5: case 6: *value = 90; return 0;                 // PTX_VERSION, BINARY_VERSION
    case 1: case 2: case 3: case 7: case 8: *value = 0; return 0;  // SHARED_SIZE_BYTES …: the fake does not know them
    case 9: *value = -1; return 0;                         // PREFERRED_SHARED_MEMORY_CARVEOUT
  }
  return refuse(CUDA_ERROR_INVALID_VALUE, format("the fake has no function attribute %d", attribute));
}

int launch(uint64_t functionHandle, const unsigned (&grid)[3], const unsigned (&block)[3], unsigned shared, uint64_t streamHandle, void** parameters, void** extra) {
  int code;
  auto function = object(device().functions, functionHandle, "function", code);
  if (code) return code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  auto wrong = [&](int code, const std::string& what) { return refuse(code, "kernel " + function->name + ": " + what); };
  uint64_t threads = uint64_t(block[0]) * block[1] * block[2];
  for (int i = 0; i < 3; i++) {
    if (!grid[i] || grid[i] > unsigned(attributes.at(5 + i))) return wrong(CUDA_ERROR_INVALID_VALUE, format("a grid of %u × %u × %u blocks", grid[0], grid[1], grid[2]));
    if (!block[i] || block[i] > unsigned(attributes.at(2 + i)) || threads > maxThreads)
      return wrong(CUDA_ERROR_INVALID_VALUE, format("a block of %u × %u × %u threads, and at most %d may be", block[0], block[1], block[2], maxThreads));
  }
  if (threads > function->maxThreads)
    return wrong(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, format("a block of %llu threads, and its __launch_bounds__ says %u", ull(threads), function->maxThreads));
  if (shared) return wrong(CUDA_ERROR_INVALID_VALUE, format("%u bytes of dynamic shared memory; the fake has static only", shared));
  if (extra) return wrong(CUDA_ERROR_INVALID_VALUE, "parameters given through extra; the fake takes kernelParams only");
  if (!parameters && !function->parameters.empty()) return wrong(CUDA_ERROR_INVALID_VALUE, format("no parameters, and it has %zu", function->parameters.size()));

  auto request = std::make_shared<Request>();
  request->ask = Ask::launch;
  request->launch.function = function->child;
  memcpy(request->launch.grid, grid, sizeof grid);
  memcpy(request->launch.block, block, sizeof block);
  uint64_t end = 0;
  for (size_t i = 0; i < function->parameters.size(); i++) {
    auto [offset, size] = function->parameters[i];
    end = offset + size;
    if (!parameters[i]) return wrong(CUDA_ERROR_INVALID_VALUE, format("parameter %zu is a null pointer", i));
    if (end > sizeof request->launch.parameters) return wrong(CUDA_ERROR_INVALID_VALUE, "more than 4096 bytes of parameters");
    memcpy(request->launch.parameters + offset, parameters[i], size);
  }
  size_t size = size_t(request->launch.parameters + end - reinterpret_cast<char*>(request.get()));
  return device().enqueue(stream, [=] { return device().child.ask(*request, size).code; });
}

// Events.

double now() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int recordEvent(uint64_t eventHandle, uint64_t streamHandle) {
  int code;
  auto event = object(device().events, eventHandle, "event", code);
  if (code) return code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  event->stream = stream;
  event->capture = stream->capture;
  if (event->capture) {
    event->captured = event->capture->operations.size();
    return event->capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : 0;
  }
  event->milliseconds = 0;
  code = device().enqueue(stream, [event] { return event->milliseconds = now(), 0; });
  event->ticket = stream->issued;
  return code;
}

// 0 when the host may ask for it: not the event of a capture.
int askable(const Event& event) {
  if (!event.capture) return 0;
  if (event.capture->active) event.capture->invalid = true;
  return refuse(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture, so the host cannot ask for it");
}

bool happened(const Event& event) { return !event.stream || event.stream->done >= event.ticket; }

// A query that finds work unfinished does one piece of it, so that a loop of queries ends.
int query(const std::shared_ptr<Stream>& stream, uint64_t ticket) {
  if (!stream || stream->done >= ticket) return 0;
  int code = device().drain(*stream, stream->done + 1);
  return code ? code : CUDA_ERROR_NOT_READY;
}

int elapsed(float* milliseconds, uint64_t startHandle, uint64_t endHandle) {
  int code;
  auto start = object(device().events, startHandle, "event", code);
  if (code) return code;
  auto end = object(device().events, endHandle, "event", code);
  if (code) return code;
  if (!start->timing || !end->timing) return refuse(CUDA_ERROR_INVALID_HANDLE, "an event was created without timing (CU_EVENT_DISABLE_TIMING)");
  if (!start->stream || !end->stream) return refuse(CUDA_ERROR_INVALID_HANDLE, "an event was never recorded");
  if ((code = askable(*start)) || (code = askable(*end))) return code;
  if (!happened(*start) || !happened(*end)) return CUDA_ERROR_NOT_READY;
  *milliseconds = float(end->milliseconds - start->milliseconds);
  return 0;
}

// Captures.

int notCaptured(const Stream& stream) {
  if (!stream.capture) return 0;
  stream.capture->invalid = true;
  return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the stream is being captured");
}

int beginCapture(uint64_t streamHandle, int mode) {
  int code;
  if (!streamHandle) return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the default stream cannot be captured");
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  if (mode < 0 || mode > 2) return refuse(CUDA_ERROR_INVALID_VALUE, format("mode %d", mode));
  if (stream->capture) return refuse(CUDA_ERROR_INVALID_VALUE, "the stream is being captured already");
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  return 0;
}

int endCapture(uint64_t streamHandle, uint64_t* graph) {
  int code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  auto capture = stream->capture;
  if (!capture) return refuse(CUDA_ERROR_INVALID_VALUE, "the stream is not being captured");
  if (capture->origin != stream) return refuse(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture began on another stream");
  *graph = 0;
  bool joined = true;
  for (auto& [branch, state] : capture->branches) joined = joined && (branch == stream.get() || state.last <= state.joined);
  capture->active = false;
  capture->origin = nullptr;
  for (auto& [handle, other] : device().streams)
    if (other->capture == capture) other->capture = nullptr;
  if (capture->invalid) return refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture has been made invalid by an earlier call");
  if (!joined) return refuse(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "the last work of a stream that the capture took in is waited for by no other");
  *graph = device().graphs.add(std::make_shared<Graph>(Graph{capture->operations}));
  return 0;
}

int launchGraph(uint64_t executable, uint64_t streamHandle) {
  int code;
  auto graph = object(device().executables, executable, "executable graph", code);
  if (code) return code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  for (const Operation& operation : graph->operations)
    if ((code = device().enqueue(stream, operation))) return code;
  return 0;
}

template <class T>
int destroy(Table<T>& table, uint64_t handle, const char* what) {
  int code;
  object(table, handle, what, code);
  if (!code) table.remove(handle);
  return code;
}

}  // namespace

const char* errorName(int code) {
  auto found = errors.find(code);
  return found == errors.end() ? "an error the fake has no name for" : found->second;
}

int refuse(int code, const std::string& message) {
  complain(format("%s: ", driver.call) + message + " (" + errorName(code) + ")");
  return code;
}

int ready(unsigned needs) {
  if (needs & 1 && !driver.initialised) return refuse(CUDA_ERROR_NOT_INITIALIZED, "called before cuInit");
  if (needs & 2 && (!current || !driver.device)) return refuse(CUDA_ERROR_INVALID_CONTEXT, "this OS thread has no current context: call cuCtxSetCurrent on it, and keep the goroutine on it");
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
    driver.initialised = true;
    return 0;
  });
}

int cuDriverGetVersion(int* version) {
  return *version = 12090, 0;
}

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
    if (found == attributes.end()) return refuse(CUDA_ERROR_INVALID_VALUE, format("the fake has no attribute %d", attribute));
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
    if (handle && (handle != contextHandle || !driver.device)) return refuse(CUDA_ERROR_INVALID_CONTEXT, format("0x%llx is no context, or was one", ull(handle)));
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

// Memory.

int cuMemGetInfo_v2(size_t* free, size_t* total) {
  return api(__func__, context, [&] { return *free = device().limit - device().used, *total = device().limit, 0; });
}

int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  return api(__func__, noCapture, [&] { return allocate(address, bytes); });
}

int cuMemFree_v2(uint64_t address) {
  return api(__func__, noCapture, [&] { return release(address); });
}

int cuMemHostAlloc(void** host, size_t bytes, unsigned) {
  return api(__func__, noCapture, [&] {
    if (!host || !bytes) return refuse(CUDA_ERROR_INVALID_VALUE, format("%zu bytes", bytes));
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return refuse(CUDA_ERROR_OUT_OF_MEMORY, format("%zu bytes of pinned memory", bytes));
    memset(memory, poison, bytes);
    device().pinned[at(memory)] = bytes;
    return *host = memory, 0;
  });
}

// The address is not used again, and whoever touches it faults.
int cuMemFreeHost(void* host) {
  return api(__func__, noCapture, [&] {
    auto found = device().pinned.find(at(host));
    if (found == device().pinned.end()) return refuse(CUDA_ERROR_INVALID_VALUE, format("%p is no pinned memory, or was freed", host));
    mmap(host, found->second, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    device().pinned.erase(found);
    return 0;
  });
}

int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
  return api(__func__, noCapture, [&] { return copy(Way::toDevice, to, const_cast<void*>(from), bytes, false, 0); });
}

int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
  return api(__func__, noCapture, [&] { return copy(Way::toHost, from, to, bytes, false, 0); });
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, uint64_t stream) {
  return api(__func__, context, [&] { return copy(Way::toDevice, to, const_cast<void*>(from), bytes, true, stream); });
}

int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, uint64_t stream) {
  return api(__func__, context, [&] { return copy(Way::toHost, from, to, bytes, true, stream); });
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, uint64_t streamHandle) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(streamHandle, code);
    if (!code) code = checkDevice(to, bytes);
    if (!code) code = checkDevice(from, bytes);
    if (!code && bytes && to < from + bytes && from < to + bytes) code = refuse(CUDA_ERROR_INVALID_VALUE, "the two ranges overlap");
    if (code) return code;
    return device().enqueue(stream, [=, call = driver.call] {
      int code = stillThere(call, to, bytes);
      if (!code) code = stillThere(call, from, bytes);
      if (!code && bytes) memcpy(device().child.view(to), device().child.view(from), bytes);
      return code;
    });
  });
}

int cuMemsetD32Async(uint64_t address, unsigned value, size_t count, uint64_t stream) {
  return api(__func__, context, [&] { return fill(address, &value, sizeof value, count, stream); });
}

int cuMemsetD8Async(uint64_t address, unsigned char value, size_t count, uint64_t stream) {
  return api(__func__, context, [&] { return fill(address, &value, sizeof value, count, stream); });
}

// Streams and events.

int cuStreamCreate(uint64_t* stream, unsigned flags) {
  return api(__func__, context, [&] {
    if (flags > 1) return refuse(CUDA_ERROR_INVALID_VALUE, format("flags %u", flags));
    auto made = std::make_shared<Stream>();
    made->blocking = flags == 0;
    return *stream = device().streams.add(made), 0;
  });
}

int cuStreamDestroy_v2(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto stream = object(device().streams, handle, "stream", code);
    if (!code) code = notCaptured(*stream);
    if (!code) code = device().drain(*stream, stream->issued);
    if (!code) device().streams.remove(handle);
    return code;
  });
}

int cuStreamSynchronize(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(handle, code);
    if (!code) code = notCaptured(*stream);
    return code ? code : device().drain(*stream, stream->issued);
  });
}

int cuStreamQuery(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(handle, code);
    if (!code) code = notCaptured(*stream);
    return code ? code : query(stream, stream->issued);
  });
}

int cuStreamWaitEvent(uint64_t streamHandle, uint64_t eventHandle, unsigned) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(streamHandle, code);
    if (code) return code;
    auto event = object(device().events, eventHandle, "event", code);
    return code ? code : device().wait(stream, *event);
  });
}

int cuEventCreate(uint64_t* event, unsigned flags) {
  return api(__func__, context, [&] {
    if (flags > 7) return refuse(CUDA_ERROR_INVALID_VALUE, format("flags %u", flags));
    auto made = std::make_shared<Event>();
    made->timing = !(flags & 2);
    return *event = device().events.add(made), 0;
  });
}

int cuEventDestroy_v2(uint64_t event) {
  return api(__func__, context, [&] { return destroy(device().events, event, "event"); });
}

int cuEventRecord(uint64_t event, uint64_t stream) {
  return api(__func__, context, [&] { return recordEvent(event, stream); });
}

int cuEventSynchronize(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto event = object(device().events, handle, "event", code);
    if (!code) code = askable(*event);
    return code || !event->stream ? code : device().drain(*event->stream, event->ticket);
  });
}

int cuEventQuery(uint64_t handle) {
  return api(__func__, context, [&] {
    int code;
    auto event = object(device().events, handle, "event", code);
    if (!code) code = askable(*event);
    return code ? code : query(event->stream, event->ticket);
  });
}

int cuEventElapsedTime(float* milliseconds, uint64_t start, uint64_t end) {
  return api(__func__, context, [&] { return elapsed(milliseconds, start, end); });
}

int cuEventElapsedTime_v2(float* milliseconds, uint64_t start, uint64_t end) {
  return api(__func__, context, [&] { return elapsed(milliseconds, start, end); });
}

// Modules and kernels.

int cuModuleLoadData(uint64_t* module, const void* image) {
  return api(__func__, noCapture, [&] { return loadModule(module, image); });
}

int cuModuleUnload(uint64_t handle) {
  return api(__func__, noCapture, [&] { return unloadModule(handle); });
}

int cuModuleGetFunction(uint64_t* function, uint64_t module, const char* name) {
  return api(__func__, context, [&] { return findFunction(function, module, name); });
}

int cuFuncGetAttribute(int* value, int attribute, uint64_t function) {
  return api(__func__, context, [&] { return functionAttribute(value, attribute, function); });
}

int cuFuncSetAttribute(uint64_t handle, int attribute, int value) {
  return api(__func__, context, [&] {
    int code;
    object(device().functions, handle, "function", code);
    if (code || attribute == 9 || (attribute == 8 && value == 0)) return code;
    return refuse(CUDA_ERROR_INVALID_VALUE, format("attribute %d cannot be set to %d; the fake has no dynamic shared memory", attribute, value));
  });
}

// An index past the last parameter is how callers find their number, so it is
// no mistake.
int cuFuncGetParamInfo(uint64_t handle, size_t index, size_t* offset, size_t* size) {
  return api(__func__, context, [&] {
    int code;
    auto function = object(device().functions, handle, "function", code);
    if (code) return code;
    if (index >= function->parameters.size()) return int(CUDA_ERROR_INVALID_VALUE);
    *offset = function->parameters[index].offset;
    if (size) *size = function->parameters[index].size;
    return 0;
  });
}

int cuLaunchKernel(uint64_t function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                   uint64_t stream, void** parameters, void** extra) {
  return api(__func__, context, [&] { return launch(function, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, shared, stream, parameters, extra); });
}

// Graphs.

int cuStreamBeginCapture_v2(uint64_t stream, int mode) {
  return api(__func__, context, [&] { return beginCapture(stream, mode); });
}

int cuStreamEndCapture(uint64_t stream, uint64_t* graph) {
  return api(__func__, context, [&] { return endCapture(stream, graph); });
}

int cuStreamIsCapturing(uint64_t handle, int* status) {
  return api(__func__, context, [&] {
    int code;
    auto stream = streamOf(handle, code);
    if (!code) *status = !stream->capture ? 0 : stream->capture->invalid ? 2 : 1;
    return code;
  });
}

int cuGraphInstantiateWithFlags(uint64_t* executable, uint64_t graphHandle, unsigned long long) {
  return api(__func__, context, [&] {
    int code;
    auto graph = object(device().graphs, graphHandle, "graph", code);
    if (!code) *executable = device().executables.add(std::make_shared<Graph>(*graph));
    return code;
  });
}

int cuGraphLaunch(uint64_t executable, uint64_t stream) {
  return api(__func__, context, [&] { return launchGraph(executable, stream); });
}

int cuGraphDestroy(uint64_t graph) {
  return api(__func__, context, [&] { return destroy(device().graphs, graph, "graph"); });
}

int cuGraphExecDestroy(uint64_t executable) {
  return api(__func__, context, [&] { return destroy(device().executables, executable, "executable graph"); });
}

// Errors.

int cuGetErrorName(int code, const char** name) {
  auto found = errors.find(code);
  *name = found == errors.end() ? nullptr : found->second;
  return *name ? 0 : CUDA_ERROR_INVALID_VALUE;
}

int cuGetErrorString(int code, const char** text) { return cuGetErrorName(code, text); }

// The old functions of these names take 32-bit sizes and addresses.

#define COSFIT_OLD(name, suffixed) \
  int name() { return api(__func__, nothing, [] { return refuse(CUDA_ERROR_NOT_SUPPORTED, "this is the old function, which takes other types; bind " suffixed); }); }
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
