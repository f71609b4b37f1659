// The device process: what its parts offer each other.
#pragma once
#include <cstdint>
#include <string>

#include "interface.h"
#include "memory.h"
#include "protocol.h"

constexpr int errorInvalidValue = 1, errorIllegalAddress = 700, errorAssert = 710, errorMisaligned = 716,
              errorLaunchFailed = 719;

struct Kernel {
  std::string name;
  const CosfitKernel* stub;  // null once its module is unloaded
  uint64_t module;
};

// The kernel that is running, or null; the library's function, for the rest.
extern const char* running;

// Reports the end of the pending request with an error, and of this process.
[[noreturn]] void die(int code, const std::string& message);

// "kernel add, block (0,0,0), thread (5,0,0)".
std::string whereabouts();
// "kernels.cu:12", the line that an instruction comes from, or "".
std::string sourceLine(const void* instruction);

// Runs a grid: one block after another, a fiber for each thread.
void run(const Kernel& kernel, const Launch& launch);
// What an address is if it lies in a fiber's stack or a __shared__ array, or "".
std::string describeLocal(uint64_t address);

void multiply(const Product& product);

// ThreadSanitizer, where the build has it: each CUDA thread is one of its
// threads, and only what is named here orders them.
namespace races {
void* createFiber();
void* currentFiber();
void switchTo(void* fiber);  // orders nothing
void rename(void* fiber, const CosfitThread& thread);
void acquire(void* what);
void release(void* what);
std::string report(uint64_t& address);  // of the first race since the last call and where it was, or ""
}  // namespace races
