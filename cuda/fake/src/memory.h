// Device memory as an address space: where allocations lie, and what an address
// means. The library and the device process each keep one.
//
// The driver promises addresses that are multiples of 256. Here they are
// multiples of 16, the widest access that a kernel makes, so that an
// allocation ends where the guard page begins, or at most 15 bytes before; an
// allocation of a multiple of 256 bytes has both. What lies between its end and
// the guard, and the 64 bytes before it, is checked after every kernel.
#pragma once
#include <cstdint>
#include <map>
#include <string>

constexpr uint64_t deviceBase = 0x2000000000, deviceSpan = 0x2000000000, pageSize = 4096;
constexpr uint64_t guardSize = 64 * pageSize;  // between allocations
constexpr unsigned char poison = 0xff;         // four of them are a NaN

constexpr uint64_t roundUp(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }
inline bool isDevice(uint64_t address) { return address >= deviceBase && address < deviceBase + deviceSpan; }

struct Allocation {
  int number;
  uint64_t address, size;
  bool freed;
  uint64_t end() const { return address + size; }
  uint64_t firstPage() const { return address / pageSize * pageSize; }
  uint64_t pages() const { return roundUp(end(), pageSize) - firstPage(); }
};

class AddressSpace {
 public:
  // Where the next allocation goes; 0 when the addresses are used up.
  uint64_t place(uint64_t size);
  const Allocation& add(uint64_t address, uint64_t size);
  // The live allocation that starts at the address, or null.
  Allocation* live(uint64_t address);
  // Whether all bytes are in one live allocation.
  bool holds(uint64_t address, uint64_t size) const;
  // How far into its live allocation an address is. As the driver's begin at
  // multiples of 256, so far the address is aligned.
  uint64_t within(uint64_t address) const;
  // What an address is: "4 bytes past the end of allocation 3 (…)".
  std::string describe(uint64_t address) const;
  const std::map<uint64_t, Allocation>& all() const { return allocations; }

 private:
  std::map<uint64_t, Allocation> allocations;  // by address; freed ones stay, for the messages
  uint64_t next = deviceBase + guardSize;
};

// What an address is in relation to [start, start + size).
std::string inRelation(uint64_t address, uint64_t start, uint64_t size, const std::string& name);
