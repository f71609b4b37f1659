#include "memory.h"

#include <cstdarg>
#include <cstdio>

#include "protocol.h"

std::string format(const char* pattern, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, pattern);
  vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

uint64_t AddressSpace::place(uint64_t size) {
  uint64_t guard = roundUp(next + size, pageSize);
  if (size > deviceSpan || guard + guardSize > deviceBase + deviceSpan) return 0;
  next = guard + guardSize;
  return guard - roundUp(size, 16);
}

const Allocation& AddressSpace::add(uint64_t address, uint64_t size) {
  return allocations[address] = {int(allocations.size()) + 1, address, size, false};
}

Allocation* AddressSpace::live(uint64_t address) {
  auto found = allocations.find(address);
  return found == allocations.end() || found->second.freed ? nullptr : &found->second;
}

bool AddressSpace::holds(uint64_t address, uint64_t size) const {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return false;
  const Allocation& a = std::prev(after)->second;
  return !a.freed && address <= a.end() && size <= a.end() - address;
}

uint64_t AddressSpace::within(uint64_t address) const {
  return address - std::prev(allocations.upper_bound(address))->first;
}

std::string inRelation(uint64_t address, uint64_t start, uint64_t size, const std::string& name) {
  const char* where = "into";
  uint64_t bytes = address - start;
  if (address < start) where = "before", bytes = start - address;
  if (address >= start + size) where = "past the end of", bytes = address - (start + size);
  if (bytes == 0) return std::string(address == start ? "the start of " : "right past the end of ") + name;
  return format("%llu bytes %s %s", (unsigned long long)bytes, where, name.c_str());
}

std::string AddressSpace::describe(uint64_t address) const {
  if (address < pageSize) return "a null pointer";
  if (!isDevice(address)) return "no device memory; a pointer of the host's?";
  auto after = allocations.upper_bound(address);
  const Allocation* nearest = after == allocations.begin() ? nullptr : &std::prev(after)->second;
  if (after != allocations.end() && (!nearest || after->second.address - address <= pageSize)) nearest = &after->second;
  if (!nearest) return "an address that no allocation ever had";
  std::string name =
      format("allocation %d (%llu bytes at 0x%llx%s)", nearest->number, (unsigned long long)nearest->size,
             (unsigned long long)nearest->address, nearest->freed ? ", freed" : "");
  return inRelation(address, nearest->address, nearest->size, name);
}
