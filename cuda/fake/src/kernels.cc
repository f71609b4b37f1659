// Modules, the kernels in them, and their launches.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "driver.h"

namespace {

constexpr uint64_t maxGrid[] = {0x7fffffff, 65535, 65535}, maxBlock[] = {1024, 1024, 64}, maxThreads = 1024;

// An image comes without its length; ELF's section headers, which the
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
  if (file < 0 || write(file, image, size) != ssize_t(size))
    return refuse(CUDA_ERROR_UNKNOWN, "the image cannot be handed on");
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
    case 5:
    case 6: *value = 90; return 0;  // PTX_VERSION, BINARY_VERSION
    case 1:
    case 2:
    case 3:
    case 7:
    case 8: *value = 0; return 0;   // SHARED_SIZE_BYTES …: the fake does not know them
    case 9: *value = -1; return 0;  // PREFERRED_SHARED_MEMORY_CARVEOUT
  }
  return refuse(CUDA_ERROR_INVALID_VALUE, format("the fake has no function attribute %d", attribute));
}

int launch(uint64_t functionHandle, const unsigned (&grid)[3], const unsigned (&block)[3], unsigned shared,
           uint64_t streamHandle, void** parameters, void** extra) {
  int code;
  auto function = object(device().functions, functionHandle, "function", code);
  if (code) return code;
  auto stream = streamOf(streamHandle, code);
  if (code) return code;
  auto wrong = [&](int code, const std::string& what) {
    return refuse(code, "kernel " + function->name + ": " + what);
  };
  uint64_t threads = uint64_t(block[0]) * block[1] * block[2];
  for (int i = 0; i < 3; i++) {
    if (!grid[i] || grid[i] > maxGrid[i])
      return wrong(CUDA_ERROR_INVALID_VALUE, format("a grid of %u × %u × %u blocks", grid[0], grid[1], grid[2]));
    if (!block[i] || block[i] > maxBlock[i] || threads > maxThreads)
      return wrong(CUDA_ERROR_INVALID_VALUE, format("a block of %u × %u × %u threads, and at most %llu may be",
                                                    block[0], block[1], block[2], ull(maxThreads)));
  }
  if (threads > function->maxThreads)
    return wrong(
        CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
        format("a block of %llu threads, and its __launch_bounds__ says %u", ull(threads), function->maxThreads));
  if (shared)
    return wrong(CUDA_ERROR_INVALID_VALUE,
                 format("%u bytes of dynamic shared memory; the fake has static only", shared));
  if (extra) return wrong(CUDA_ERROR_INVALID_VALUE, "parameters given through extra; the fake takes kernelParams only");
  if (!parameters && !function->parameters.empty())
    return wrong(CUDA_ERROR_INVALID_VALUE, format("no parameters, and it has %zu", function->parameters.size()));

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
    if (end > sizeof request->launch.parameters)
      return wrong(CUDA_ERROR_INVALID_VALUE, "more than 4096 bytes of parameters");
    memcpy(request->launch.parameters + offset, parameters[i], size);
  }
  size_t size = size_t(request->launch.parameters + end - reinterpret_cast<char*>(request.get()));
  return device().enqueue(stream, [=] { return device().child.ask(*request, size).code; });
}

}  // namespace

extern "C" {

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
    return refuse(CUDA_ERROR_INVALID_VALUE,
                  format("attribute %d cannot be set to %d; the fake has no dynamic shared memory", attribute, value));
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

int cuLaunchKernel(uint64_t function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                   unsigned blockZ, unsigned shared, uint64_t stream, void** parameters, void** extra) {
  return api(__func__, context, [&] {
    return launch(function, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, shared, stream, parameters, extra);
  });
}

}  // extern "C"
