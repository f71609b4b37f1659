// What the library in the test's process asks of the device process, over one
// socket: a Request, and for each a Reply.
#pragma once
#include <cstdint>
#include <string>

// printf into a string.
__attribute__((format(printf, 1, 2))) std::string format(const char* pattern, ...);

enum class Ask : int32_t { map, unmap, load, unload, find, launch, multiply };

struct Range {
  uint64_t address, size;
};

struct Lookup {
  uint64_t module;
  char name[256];
};

struct Launch {
  uint64_t function;
  uint32_t grid[3], block[3];
  char parameters[4096];  // as many as are needed are sent
};

enum class Type : int32_t { float32 = 0, bfloat16 = 14 };

struct Matrix {
  uint64_t address;
  Type type;
  int32_t rowMajor, batch;
  uint64_t rows, columns;
  int64_t leading, stride;
  // The element's place, counted in elements.
  int64_t at(int64_t row, int64_t column) const { return rowMajor ? row * leading + column : column * leading + row; }
};

struct Product {
  int32_t transposeA, transposeB, tf32, algorithm;
  float alpha, beta;
  Matrix a, b, c, d;
  Range workspace;
};

struct Request {
  Ask ask;
  union {
    Range range;      // map, unmap
    uint64_t module;  // unload
    Lookup lookup;    // find
    Launch launch;
    Product product;
  };
};

struct Parameter {
  uint32_t offset, size;
};

struct Reply {
  int32_t code;     // a CUresult
  uint64_t handle;  // of a module or a function
  uint32_t count, maxThreads;
  Parameter parameters[64];
  char message[1600];
};

constexpr int socketDescriptor = 3, memoryDescriptor = 4;  // in the device process
