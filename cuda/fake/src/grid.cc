// A grid on one CPU thread: its blocks one after another, and a fiber for each
// thread of a block, which runs until it waits for others.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "device.h"
#include "fiber.h"

const CosfitThread* cosfit_fake_thread;

namespace {

#ifdef COSFIT_FAKE_TSAN
constexpr uint64_t stackSize = 256 << 10;  // it writes its reports on them
#else
constexpr uint64_t stackSize = 64 << 10;
#endif
// Stacks are taken in turn, a prime number of them that is twice a block's
// threads or more. For ThreadSanitizer whatever runs on one stack is one thread,
// so threads of neighbouring blocks must not share one.
constexpr int turns[] = {67, 131, 257, 521, 1031, 2053}, stackCount = 2053;
constexpr uint64_t sharedLimit = 48 << 10, arenaSize = 128 * pageSize;

// In which order threads and blocks run: COSFIT_FAKE_ORDER. The library has
// checked what it says.
class Order {
 public:
  Order() {
    const char* setting = getenv("COSFIT_FAKE_ORDER");
    if (!setting || !strncmp(setting, "ascending", 9)) return;
    descending = setting[0] == 'd';
    random = setting[0] == 'r';
    if (random) state = strtoull(setting + strlen("random:"), nullptr, 10);
  }
  void arrange(std::vector<int>& all) {
    std::sort(all.begin(), all.end());
    if (descending) std::reverse(all.begin(), all.end());
    if (!random) return;
    for (size_t i = all.size(); i > 1; i--) std::swap(all[i - 1], all[draw() % i]);
  }

 private:
  bool descending = false, random = false;
  uint64_t state = 0;
  uint64_t draw() {  // splitmix64
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
};

enum class State { ready, barrier, warp, returned };

struct Thread : CosfitThread {
  State state;
  int slot;  // of its stack
  int line;  // where it waits
  int operation;
  unsigned mask, value, source, result;
};

struct Slot {
  Fiber fiber;
  void* sanitizer = nullptr;
};

// A __shared__ array ends against a guard page, as an allocation does. All lie
// in one arena, which the scheduler fills with NaN before a launch.
struct Shared {
  int site, line;
  uint64_t size;
  char* base;
  uint64_t pages() const { return roundUp(size, pageSize); }
  char* start() const { return base + pages() - roundUp(size, 16); }
};

const char* const warpNames[] = {"__shfl_sync",   "__shfl_up_sync", "__shfl_down_sync", "__shfl_xor_sync",
                                 "__ballot_sync", "__any_sync",     "__all_sync",       "__syncwarp"};

class Machine {
 public:
  void run(const Kernel& kernel, const Launch& launch);
  void wait(State state);
  void waitAtBarrier(int line);
  unsigned waitForWarp(int operation, unsigned mask, unsigned value, unsigned source, int line);
  void* shared(int site, uint64_t size, int line);
  Thread& current() { return *running; }
  std::string describe(uint64_t address) const;

 private:
  void start();
  void runBlock();
  void resume(Thread& thread);
  void releaseBarrier();
  void completeWarp(Thread& last);
  void pass(Thread& thread, void* order);
  void renewArena();
  void renewShared();
  [[noreturn]] void diagnose(const Thread& waiting);
  static void enter();

  Order order;
  const Kernel* kernel = nullptr;
  const char* parameters = nullptr;
  std::vector<Thread> threads;
  std::vector<int> ready;  // to run in the next round
  Thread* running = nullptr;
  size_t returned = 0, waiting = 0;  // threads, and of them those at a barrier
  std::vector<Shared> arrays;        // of this launch
  char* arena = nullptr;
  uint64_t used = 0;  // of the arena
  Fiber scheduler;
  void* schedulerSanitizer = nullptr;
  char* stacks = nullptr;
  std::vector<Slot> slots;
  int nextSlot = 0;
  // What ThreadSanitizer's orders hang on; of the warps, only __syncwarp orders
  // memory.
  long beginning = 0, ending = 0, barrier = 0, warps[32] = {};
};

Machine machine;

void Machine::start() {
  if (stacks) return;
  void* memory =
      mmap(nullptr, stackCount * stackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) die(errorLaunchFailed, "no memory for the stacks of the threads");
  stacks = static_cast<char*>(memory);
  for (int i = 0; i < stackCount; i++) mprotect(stacks + i * stackSize, pageSize, PROT_NONE);
  slots.resize(stackCount);
  arena = static_cast<char*>(mmap(nullptr, arenaSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  used = arenaSize;
  schedulerSanitizer = races::currentFiber();
}

void Machine::enter() {
  races::acquire(&machine.beginning);
  machine.kernel->stub->invoke(machine.parameters);
  machine.wait(State::returned);
}

// Called in a thread's fiber: back to the scheduler, until it resumes the thread.
void Machine::wait(State state) {
  Thread& thread = *running;
  thread.state = state;
  if (state == State::returned) races::release(&ending);
  races::switchTo(schedulerSanitizer);
  Fiber::change(slots[thread.slot].fiber, scheduler);
}

void Machine::resume(Thread& thread) {
  running = &thread;
  cosfit_fake_thread = &thread;
  Slot& slot = slots[thread.slot];
  races::switchTo(slot.sanitizer);
  Fiber::change(scheduler, slot.fiber);
  running = nullptr;
  cosfit_fake_thread = nullptr;
}

void Machine::run(const Kernel& which, const Launch& launch) {
  start();
  kernel = &which;
  parameters = launch.parameters;
  renewArena();
  auto triple = [](const uint32_t* v) { return uint3{v[0], v[1], v[2]}; };
  uint3 grid = triple(launch.grid), block = triple(launch.block);
  threads.resize(size_t(block.x) * block.y * block.z);

  std::vector<int> blocks(size_t(grid.x) * grid.y * grid.z);
  for (size_t i = 0; i < blocks.size(); i++) blocks[i] = int(i);
  order.arrange(blocks);
  int turn = *std::lower_bound(std::begin(turns), std::end(turns), int(2 * threads.size()));
  for (unsigned b : blocks) {
    uint3 blockIndex = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
    for (unsigned i = 0; i < threads.size(); i++) {
      Thread& t = threads[i];
      t.threadIdx = {i % block.x, i / block.x % block.y, i / block.x / block.y};
      t.blockIdx = blockIndex, t.blockDim = block, t.gridDim = grid;
      t.lane = i % 32;
      t.state = State::ready;
      t.slot = nextSlot++ % turn;
      Slot& slot = slots[t.slot];
      slot.fiber.prepare(stacks + t.slot * stackSize, stackSize, enter);
      if (!slot.sanitizer) slot.sanitizer = races::createFiber();
      races::rename(slot.sanitizer, t);
    }
    runBlock();
  }
  races::acquire(&ending);
}

void Machine::runBlock() {
  renewShared();
  races::release(&beginning);
  returned = waiting = 0;
  ready.clear();
  for (size_t i = 0; i < threads.size(); i++) ready.push_back(int(i));
  std::vector<int> round;
  while (returned < threads.size()) {
    if (ready.empty()) releaseBarrier();
    round.swap(ready);
    ready.clear();
    order.arrange(round);
    for (int i : round) {
      Thread& t = threads[i];
      resume(t);
      if (t.state == State::returned) returned++;
      if (t.state == State::barrier) waiting++;
      if (t.state == State::warp) completeWarp(t);
    }
  }
}

// Nothing can run: right only if every thread stands at the same barrier.
void Machine::releaseBarrier() {
  for (const Thread& t : threads)
    if (t.state != State::returned &&
        (t.state != State::barrier || waiting < threads.size() || t.line != threads[0].line))
      diagnose(t);
  waiting = 0;
  for (size_t i = 0; i < threads.size(); i++) {
    pass(threads[i], &barrier);
    threads[i].state = State::ready, ready.push_back(int(i));
  }
}

// Orders a thread behind what has been released, before any other goes on and
// releases what comes later.
void Machine::pass(Thread& thread, void* order) {
  races::switchTo(slots[thread.slot].sanitizer);
  races::acquire(order);
  races::switchTo(schedulerSanitizer);
}

std::string doing(const Thread& t) {
  std::string who = format("thread (%u,%u,%u) ", t.threadIdx.x, t.threadIdx.y, t.threadIdx.z);
  if (t.state == State::returned) return who + "has returned";
  if (t.state == State::barrier) return who + format("waits at the __syncthreads() of line %d", t.line);
  return who + format("waits at the %s(0x%x) of line %d", warpNames[t.operation], t.mask, t.line);
}

// Says who waits for whom: waiting, and the first thread that is elsewhere.
void Machine::diagnose(const Thread& waiting) {
  bool warp = waiting.state == State::warp;
  int index = int(&waiting - threads.data()), first = warp ? index / 32 * 32 : 0;
  int last = std::min(int(threads.size()), warp ? first + 32 : int(threads.size()));
  std::string others = "no other thread comes";
  for (int i = first; i < last; i++) {
    const Thread& t = threads[i];
    bool together = t.state == waiting.state && t.line == waiting.line &&
                    (!warp || (t.operation == waiting.operation && t.mask == waiting.mask));
    if (together || (warp && !(waiting.mask >> t.lane & 1))) continue;
    others = doing(t);
    break;
  }
  cosfit_fake_thread = &waiting;
  die(errorLaunchFailed, whereabouts() + ": threads of a " + (warp ? "warp" : "block") +
                             " part before they meet: " + doing(waiting) + ", but " + others);
}

// Runs a warp's operation once all lanes of its mask have come to it.
void Machine::completeWarp(Thread& last) {
  int index = int(&last - threads.data()), first = index / 32 * 32;
  auto lane = [&](unsigned l) -> Thread* {
    return first + l < threads.size() && last.mask >> l & 1 ? &threads[first + l] : nullptr;
  };
  unsigned ballot = 0;
  for (unsigned l = 0; l < 32; l++) {
    Thread* t = lane(l);
    if (!t) continue;
    if (t->state != State::warp || t->line != last.line || t->operation != last.operation || t->mask != last.mask)
      return;
    ballot |= unsigned(t->value != 0) << l;
  }
  for (unsigned l = 0; l < 32; l++) {
    Thread* t = lane(l);
    if (!t) continue;
    t->result = ballot;
    if (t->operation < cosfitBallot) {
      Thread* source = t->source == l ? t : lane(t->source);
      if (!source) {
        cosfit_fake_thread = t;
        die(errorLaunchFailed,
            whereabouts() + format(": the %s(0x%x) of line %d reads lane %u, which does not take part",
                                   warpNames[t->operation], t->mask, t->line, t->source));
      }
      t->result = source->value;
    }
  }
  for (unsigned l = 0; l < 32; l++) {
    Thread* t = lane(l);
    if (!t) continue;
    if (t->operation == cosfitSyncWarp) pass(*t, &warps[first / 32]);
    t->state = State::ready, ready.push_back(first + int(l));
  }
}

// Called in a thread's fiber, as wait is.
void Machine::waitAtBarrier(int line) {
  running->line = line;
  races::release(&barrier);
  wait(State::barrier);
}

unsigned Machine::waitForWarp(int operation, unsigned mask, unsigned value, unsigned source, int line) {
  Thread& thread = *running;
  thread.operation = operation, thread.mask = mask, thread.value = value, thread.source = source, thread.line = line;
  if (operation == cosfitSyncWarp) races::release(&warps[(&thread - threads.data()) / 32]);
  wait(State::warp);
  return thread.result;
}

// What is mapped again is new for ThreadSanitizer, too: nobody has touched it.
void renew(char* start, uint64_t size) {
  if (mmap(start, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
    die(errorLaunchFailed, "no shared memory");
  memset(start, poison, size);
}

void Machine::renewArena() {
  if (used) renew(arena, used);
  arrays.clear();
  used = 0;
}

// Each block finds its shared memory new.
void Machine::renewShared() {
  for (Shared& s : arrays) renew(s.base, s.pages());
}

// The first thread that comes to a declaration finds the place of its array.
void* Machine::shared(int site, uint64_t size, int line) {
  if (!running)
    die(errorInvalidValue,
        format("the __shared__ array of line %d is declared outside of functions, which the fake does not know", line));
  uint64_t total = size;
  for (Shared& s : arrays) {
    if (s.site == site && s.size == size) return s.start();
    total += s.size;
  }
  if (total > sharedLimit)
    die(errorInvalidValue, whereabouts() + format(": %llu bytes of shared memory, and a block has %llu",
                                                  (unsigned long long)total, (unsigned long long)sharedLimit));
  Shared s{site, line, size, arena + used};
  used += s.pages() + pageSize;
  if (used > arenaSize) die(errorInvalidValue, whereabouts() + ": too many __shared__ arrays for the fake");
  mprotect(s.base + s.pages(), pageSize, PROT_NONE);
  arrays.push_back(s);
  return s.start();
}

std::string Machine::describe(uint64_t address) const {
  for (const Shared& s : arrays) {
    uint64_t base = reinterpret_cast<uint64_t>(s.base);
    if (address >= base && address < base + s.pages() + pageSize)
      return inRelation(address, reinterpret_cast<uint64_t>(s.start()), s.size,
                        format("the __shared__ array of line %d (%llu bytes)", s.line, (unsigned long long)s.size));
  }
  uint64_t base = reinterpret_cast<uint64_t>(stacks);
  if (!stacks || address < base || address >= base + stackCount * stackSize) return "";
  return (address - base) % stackSize < pageSize ? "past the end of the thread's stack" : "a thread's local variable";
}

}  // namespace

void run(const Kernel& kernel, const Launch& launch) { machine.run(kernel, launch); }

std::string describeLocal(uint64_t address) { return machine.describe(address); }

// What the kernels call, in a thread's fiber.

void cosfit_fake_barrier(int line) { machine.waitAtBarrier(line); }

unsigned cosfit_fake_warp(int operation, unsigned mask, unsigned value, unsigned source, int line) {
  unsigned lane = machine.current().lane;
  if (!(mask >> lane & 1))
    die(errorLaunchFailed,
        whereabouts() + format(": lane %u calls the %s of line %d with the mask 0x%x, which is without it", lane,
                               warpNames[operation], line, mask));
  return machine.waitForWarp(operation, mask, value, source, line);
}

void* cosfit_fake_shared(int site, unsigned long size, int line) { return machine.shared(site, size, line); }

void cosfit_fake_fence() {
  static long order;
  races::acquire(&order);
  races::release(&order);
}

void cosfit_fake_assert(const char* condition, const char* file, int line) {
  die(errorAssert, whereabouts() + format(": assertion %s failed, %s:%d", condition, file, line));
}
