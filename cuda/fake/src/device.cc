// The device process: serves the library's requests, one at a time, over the
// device memory that both map. What goes wrong in a kernel ends the process, and
// the last reply says what it was.
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "device.h"

const char* running;

namespace {

AddressSpace memory;
std::map<uint64_t, void*> modules;
std::vector<Kernel> kernels;

void answer(Reply& reply) {
  if (send(socketDescriptor, &reply, sizeof reply, MSG_NOSIGNAL) < 0) _exit(1);
}

void fail(Reply& reply, int code, const std::string& message) {
  reply.code = code;
  snprintf(reply.message, sizeof reply.message, "%s", message.c_str());
}

std::string describe(uint64_t address) {
  std::string local = describeLocal(address);
  return format("0x%llx, ", (unsigned long long)address) + (local.empty() ? memory.describe(address) : local);
}

// Faults.

void fault(int signal, siginfo_t* info, void* context) {
  uint64_t address = reinterpret_cast<uint64_t>(info->si_addr);
  const void* instruction = nullptr;
  const char* access = "access to";
#if defined(__x86_64__)
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  instruction = reinterpret_cast<void*>(registers[REG_RIP]);
  access = registers[REG_ERR] & 2 ? "write to" : "read of";
#elif defined(__aarch64__)
  instruction = reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.pc);
#endif
  std::string line = sourceLine(instruction), where = whereabouts() + (line.empty() ? "" : ", " + line);
  if (signal == SIGFPE) die(errorLaunchFailed, where + ": integer division by zero, or one that overflows");
  if (signal == SIGILL) die(errorLaunchFailed, where + ": illegal instruction");
  if (info->si_code == SI_KERNEL && !address) die(errorIllegalAddress, where + ": access to an address that cannot be");
  die(errorIllegalAddress, where + format(": %s ", access) + describe(address));
}

void catchFaults() {
  static char stack[256 << 10];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_sigaction = fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigaction(signal, &action, nullptr);
}

// A write to the bytes beside an allocation, where no guard page sees it.
std::string beside() {
  for (auto& [address, a] : memory.all()) {
    if (a.freed) continue;
    auto* bytes = reinterpret_cast<const unsigned char*>(address);
    uint64_t before = std::min<uint64_t>(64, address - a.firstPage()), after = roundUp(a.end(), 16) - a.address;
    for (uint64_t i = a.size; i < after; i++)
      if (bytes[i] != poison) return memory.describe(address + i);
    for (uint64_t i = 1; i <= before; i++)
      if (*(bytes - i) != poison) return memory.describe(address - i);
  }
  return "";
}

// Requests.

void protect(const Range& range, bool mapped) {
  if (mapped)
    memory.add(range.address, range.size);
  else
    memory.live(range.address)->freed = true;
  Allocation a = memory.all().at(range.address);
  mprotect(reinterpret_cast<void*>(a.firstPage()), a.pages(), mapped ? PROT_READ | PROT_WRITE : PROT_NONE);
}

// The descriptor stays open: the sanitizer and sourceLine read it by name.
void load(int descriptor, Reply& reply) {
  void* module = dlopen(format("/proc/%d/fd/%d", getpid(), descriptor).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module) return fail(reply, 200, format("the module cannot be loaded: %s", dlerror()));
  reply.handle = modules.size() + 1;
  modules[reply.handle] = module;
}

void unload(uint64_t module) {
  for (Kernel& k : kernels)
    if (k.module == module) k.stub = nullptr;
  dlclose(modules[module]);
}

void find(const Lookup& lookup, Reply& reply) {
  void* module = modules[lookup.module];
  auto* stub = static_cast<const CosfitKernel*>(dlsym(module, format("cosfit_fake_kernel_%s", lookup.name).c_str()));
  if (!stub) return fail(reply, 500, format("the module has no kernel %s", lookup.name));
  if (!dlsym(module, lookup.name))
    return fail(reply, 500, format("the kernel %s is not extern \"C\", so its name is another one", lookup.name));
  if (stub->count > sizeof reply.parameters / sizeof reply.parameters[0])
    return fail(reply, 500, format("the kernel %s has %u parameters, too many for the fake", lookup.name, stub->count));
  reply.handle = kernels.size();
  reply.count = stub->count;
  reply.maxThreads = stub->maxThreads ? stub->maxThreads : 1024;
  for (unsigned i = 0; i < stub->count; i++) reply.parameters[i] = {stub->offsets[i], stub->sizes[i]};
  kernels.push_back({lookup.name, stub, lookup.module});
}

template <class Work>
void execute(const char* name, Reply& reply, Work work) {
  running = name;
  work();
  uint64_t address = 0;
  std::string race = races::report(address), edge = beside();
  running = nullptr;
  if (!race.empty()) return fail(reply, errorLaunchFailed, race + ": " + describe(address));
  if (!edge.empty()) fail(reply, errorIllegalAddress, format("%s wrote %s", name, edge.c_str()));
}

void serve(const Request& request, int descriptor, Reply& reply) {
  switch (request.ask) {
    case Ask::map: return protect(request.range, true);
    case Ask::unmap: return protect(request.range, false);
    case Ask::load: return load(descriptor, reply);
    case Ask::unload: return unload(request.module);
    case Ask::find: return find(request.lookup, reply);
    case Ask::launch: {
      const Kernel& kernel = kernels[request.launch.function];
      if (!kernel.stub)
        return fail(reply, errorLaunchFailed,
                    "the module of kernel " + kernel.name + " was unloaded before the kernel had its turn");
      return execute(("kernel " + kernel.name).c_str(), reply, [&] { run(kernel, request.launch); });
    }
    case Ask::multiply: return execute("cublasLtMatmul", reply, [&] { multiply(request.product); });
  }
}

// One request and the descriptor that comes with a module; false at the end.
bool receive(Request& request, int& descriptor) {
  iovec buffer{&request, sizeof request};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &buffer, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  if (recvmsg(socketDescriptor, &message, 0) <= 0) return false;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  descriptor = -1;
  if (header) memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return true;
}

}  // namespace

void die(int code, const std::string& message) {
  Reply reply{};
  fail(reply, code, message);
  answer(reply);
  _exit(1);
}

std::string whereabouts() {
  std::string text = running ? running : "no kernel";
  if (const CosfitThread* t = cosfit_fake_thread)
    text += format(", block (%u,%u,%u), thread (%u,%u,%u)", t->blockIdx.x, t->blockIdx.y, t->blockIdx.z, t->threadIdx.x,
                   t->threadIdx.y, t->threadIdx.z);
  return text;
}

std::string sourceLine(const void* instruction) {
  Dl_info module;
  if (!instruction || !dladdr(instruction, &module) || strncmp(module.dli_fname, "/proc/", 6)) return "";
  auto offset = static_cast<const char*>(instruction) - static_cast<const char*>(module.dli_fbase);
  FILE* tool = popen(format("addr2line -s -e %s 0x%lx 2>&-", module.dli_fname, (unsigned long)offset).c_str(), "r");
  char line[256] = "";
  if (!tool || !fgets(line, sizeof line, tool) || line[0] == '?') return "";
  line[strcspn(line, " \n")] = 0;
  return line;
}

// What -fsanitize=bounds,alignment calls, in place of libubsan: its arguments
// begin with the place in the source.

struct SourceLocation {
  const char* file;
  uint32_t line, column;
};
struct TypeDescriptor {
  uint16_t kind, info;
  char name[1];
};
struct OutOfBounds {
  SourceLocation location;
  const TypeDescriptor *array, *index;
};
struct TypeMismatch {
  SourceLocation location;
  const TypeDescriptor* type;
  unsigned char logAlignment, kind;
};

extern "C" void __ubsan_handle_out_of_bounds_abort(OutOfBounds* data, uint64_t index) {
  die(errorIllegalAddress, whereabouts() + format(", %s:%u: index %lld is out of bounds for %s", data->location.file,
                                                  data->location.line, (long long)index, data->array->name));
}

extern "C" void __ubsan_handle_type_mismatch_v1_abort(TypeMismatch* data, uint64_t address) {
  die(errorMisaligned, whereabouts() + format(", %s:%u: address 0x%llx is not aligned to %d bytes for %s",
                                              data->location.file, data->location.line, (unsigned long long)address,
                                              1 << data->logAlignment, data->type->name));
}

int main() {
  void* base = mmap(reinterpret_cast<void*>(deviceBase), deviceSpan, PROT_NONE,
                    MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, memoryDescriptor, 0);
  if (base == MAP_FAILED) die(999, "the device process cannot map the device's memory");
  catchFaults();
  static Request request;
  for (int descriptor; receive(request, descriptor);) {
    Reply reply{};
    serve(request, descriptor, reply);
    answer(reply);
  }
  _exit(0);
}
