// Device memory, pinned memory, and the copies between them.
#include <sys/mman.h>

#include <cstring>

#include "driver.h"

namespace {

int checkDevice(uint64_t address, uint64_t size) {
  if (!size || device().memory.holds(address, size)) return 0;
  uint64_t last = address + size - 1;
  bool starts = device().memory.holds(address, 1);
  return refuse(CUDA_ERROR_INVALID_VALUE, format("%llu bytes at device address 0x%llx: 0x%llx is ", ull(size),
                                                 ull(address), ull(starts ? last : address)) +
                                              device().memory.describe(starts ? last : address));
}

int checkHost(const void* host) {
  if (host && !isDevice(at(host))) return 0;
  return refuse(CUDA_ERROR_INVALID_VALUE, format("%p is no memory of the host's", host));
}

// A range that was right when the call was made must still be so in its turn.
int stillThere(const char* call, uint64_t address, uint64_t size) {
  if (!size || device().memory.holds(address, size)) return 0;
  complain(format("%s: %llu bytes at device address 0x%llx: ", call, ull(size), ull(address)) +
           device().memory.describe(address) + " (CUDA_ERROR_ILLEGAL_ADDRESS)");
  return CUDA_ERROR_ILLEGAL_ADDRESS;
}

int stillPinned(const char* call, const void* host, uint64_t size) {
  if (!size || device().isPinned(host, size)) return 0;
  complain(format("%s: the pinned memory at %p was freed before the copy had its turn (CUDA_ERROR_ILLEGAL_ADDRESS)",
                  call, host));
  return CUDA_ERROR_ILLEGAL_ADDRESS;
}

enum class Way { toDevice, toHost };

// A copy between host and device: pageable memory at once, pinned memory in its turn.
int copy(Way way, uint64_t address, void* host, uint64_t size, bool pinned, uint64_t streamHandle) {
  int code = checkDevice(address, size);
  if (!code && size) code = checkHost(host);
  if (code) return code;
  if (pinned && size && !device().isPinned(host, size))
    return refuse(
        CUDA_ERROR_INVALID_VALUE,
        format("asynchronous copy from memory that is not pinned, or to it: %llu bytes at %p", ull(size), host));
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
  if (!code && address % width)
    code = refuse(CUDA_ERROR_INVALID_VALUE, format("address 0x%llx is not aligned to %zu bytes", ull(address), width));
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
    return refuse(CUDA_ERROR_OUT_OF_MEMORY,
                  format("%llu bytes, and %llu of %llu are free", ull(size), ull(d.limit - d.used), ull(d.limit)));
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
  if (!a)
    return refuse(CUDA_ERROR_INVALID_VALUE,
                  format("0x%llx cannot be freed: it is ", ull(address)) + d.memory.describe(address));
  a->freed = true;
  d.used -= a->size;
  d.child.discard(*a);
  Request request{};
  request.ask = Ask::unmap;
  request.range = {a->address, a->size};
  return d.child.ask(request).code;
}

}  // namespace

extern "C" {

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
    if (found == device().pinned.end())
      return refuse(CUDA_ERROR_INVALID_VALUE, format("%p is no pinned memory, or was freed", host));
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
    if (!code && bytes && to < from + bytes && from < to + bytes)
      code = refuse(CUDA_ERROR_INVALID_VALUE, "the two ranges overlap");
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

}  // extern "C"
