// A fiber: a stack of its own, and a switch to and from it.
#pragma once
#include <cstdint>

#if defined(__x86_64__)

// The registers that a call keeps lie on the stack, so a fiber is one pointer.
extern "C" void cosfit_fake_switch(void** save, void* load);
asm(R"(
.text
.type cosfit_fake_switch, @function
cosfit_fake_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cosfit_fake_switch, .-cosfit_fake_switch
)");

struct Fiber {
  void* stack = nullptr;
  void prepare(char* base, uint64_t size, void (*entry)()) {
    void** top = reinterpret_cast<void**>(base + size);
    *--top = nullptr;  // where entry would return to
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    stack = top;
  }
  static void change(Fiber& from, Fiber& to) { cosfit_fake_switch(&from.stack, to.stack); }
};

#else

#include <ucontext.h>

struct Fiber {
  ucontext_t context;
  void prepare(char* base, uint64_t size, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = base;
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
  }
  static void change(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }
};

#endif
