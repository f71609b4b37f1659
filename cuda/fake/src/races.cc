#include "device.h"

#ifdef COSFIT_FAKE_TSAN

#include <cstdio>

extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_set_fiber_name(void* fiber, const char* name);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
int __tsan_get_report_data(void* report, const char** description, int* count, int* stacks, int* accesses,
                           int* locations, int* mutexes, int* threads, int* unique, void** sleep,
                           unsigned long sleepSize);
int __tsan_get_report_thread(void* report, unsigned long index, int* thread, unsigned long* system, int* runs,
                             const char** name, int* parent, void** trace, unsigned long traceSize);
int __tsan_get_report_mop(void* report, unsigned long index, int* thread, void** address, int* size, int* write,
                          int* atomic, void** trace, unsigned long traceSize);
const char* __tsan_default_options() {
  return "report_thread_leaks=0:report_signal_unsafe=0:exitcode=0:atexit_sleep_ms=0";
}
}

namespace {

struct Access {
  void* address;
  int thread, size, write, atomic;
  void* trace[8];
  char who[64];  // the last that ran on this stack
};

// The first race, kept until the grid has ended: TSan holds its locks while it
// reports, so nothing can be looked up then.
struct {
  bool seen;
  int count;
  Access accesses[2];
  char who[200];
} first;

std::string describe(const Access& a) {
  std::string line = a.trace[0] ? sourceLine(static_cast<char*>(a.trace[0]) - 1) : "";
  return format("%s%s of %d bytes%s%s", a.atomic ? "atomic " : "", a.write ? "write" : "read", a.size,
                line.empty() ? "" : " at ", line.c_str());
}

}  // namespace

extern "C" void __tsan_on_report(void* report) {
  if (first.seen) return;
  first.seen = true;
  snprintf(first.who, sizeof first.who, "%s", whereabouts().c_str());
  const char* description;
  int count, stacks, locations, mutexes, threads, unique;
  void* sleep[1];
  __tsan_get_report_data(report, &description, &count, &stacks, &first.count, &locations, &mutexes, &threads, &unique,
                         sleep, 1);
  for (int i = 0; i < first.count && i < 2; i++) {
    Access& a = first.accesses[i];
    a = {};
    __tsan_get_report_mop(report, i, &a.thread, &a.address, &a.size, &a.write, &a.atomic, a.trace, 8);
    for (int j = 0; j < threads; j++) {
      int thread, runs, parent;
      unsigned long system;
      const char* name;
      __tsan_get_report_thread(report, j, &thread, &system, &runs, &name, &parent, sleep, 1);
      if (thread == a.thread && name) snprintf(a.who, sizeof a.who, "%s", name);
    }
  }
}

namespace races {

void* createFiber() { return __tsan_create_fiber(0); }
void* currentFiber() { return __tsan_get_current_fiber(); }
void switchTo(void* fiber) { __tsan_switch_to_fiber(fiber, 1); }
void acquire(void* what) { __tsan_acquire(what); }
void release(void* what) { __tsan_release(what); }

void rename(void* fiber, const CosfitThread& t) {
  char name[64];
  snprintf(name, sizeof name, "block %u,%u,%u thread %u,%u,%u", t.blockIdx.x, t.blockIdx.y, t.blockIdx.z, t.threadIdx.x,
           t.threadIdx.y, t.threadIdx.z);
  __tsan_set_fiber_name(fiber, name);
}

std::string report(uint64_t& address) {
  if (!first.seen) return "";
  first.seen = false;
  std::string text = format("data race in %s: ", first.who);
  if (first.count > 0) text += describe(first.accesses[0]);
  if (first.count > 1)
    text += format(", and in no order with it %s by %s", describe(first.accesses[1]).c_str(),
                   *first.accesses[1].who ? first.accesses[1].who : "another thread");
  address = reinterpret_cast<uint64_t>(first.accesses[0].address);
  return text;
}

}  // namespace races

#else

namespace races {
void* createFiber() { return nullptr; }
void* currentFiber() { return nullptr; }
void switchTo(void*) {}
void rename(void*, const CosfitThread&) {}
void acquire(void*) {}
void release(void*) {}
std::string report(uint64_t&) { return ""; }
}  // namespace races

#endif
