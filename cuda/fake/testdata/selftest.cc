// One check a process: `selftest NAME`. Loads the three libraries by their
// sonames, as the backend does, and drives them through the plain API. A check
// that plants a mistake ends with the error code; fake_test.go demands the message.
#include <dlfcn.h>
#include <sys/mman.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

void* driverLibrary;
void* compilerLibrary;
void* blasLibrary;

template <class... A>
int call(void* library, const char* name, A... arguments) {
  auto function = reinterpret_cast<int (*)(A...)>(dlsym(library, name));
  if (!function) printf("no function %s\n", name), exit(1);
  return function(arguments...);
}

template <class... A>
int cu(const char* name, A... arguments) {
  return call(driverLibrary, name, arguments...);
}

void want(int code, const char* what) {
  if (code) printf("%s: %d\n", what, code), exit(2);
}

void expect(bool right, const std::string& what) {
  if (!right) printf("wrong: %s\n", what.c_str()), exit(3);
}

using u64 = uint64_t;

u64 stream, context;

void open() {
  want(cu("cuInit", 0u), "cuInit");
  want(cu("cuDevicePrimaryCtxRetain", &context, 0), "retain");
  want(cu("cuCtxSetCurrent", context), "set current");
  want(cu("cuStreamCreate", &stream, 1u), "stream");
}

void close() {
  want(cu("cuStreamDestroy_v2", stream), "destroy stream");
  want(cu("cuDevicePrimaryCtxRelease_v2", 0), "release");
}

u64 compile(const char* source, std::string* log = nullptr) {
  u64 program, module;
  size_t size;
  const char* options[] = {"--gpu-architecture=sm_90", "-DTHREE=3"};
  want(call(compilerLibrary, "nvrtcCreateProgram", &program, source, "test.cu", 0, nullptr, nullptr), "create program");
  int code = call(compilerLibrary, "nvrtcCompileProgram", program, 2, options);
  want(call(compilerLibrary, "nvrtcGetProgramLogSize", program, &size), "log size");
  std::string text(size, 0);
  want(call(compilerLibrary, "nvrtcGetProgramLog", program, text.data()), "log");
  if (log) *log = text;
  if (code && log) return 0;
  if (code) printf("%s", text.c_str()), exit(4);
  want(call(compilerLibrary, "nvrtcGetCUBINSize", program, &size), "cubin size");
  std::vector<char> image(size);
  want(call(compilerLibrary, "nvrtcGetCUBIN", program, image.data()), "cubin");
  want(call(compilerLibrary, "nvrtcDestroyProgram", &program), "destroy program");
  want(cu("cuModuleLoadData", &module, image.data()), "load");
  return module;
}

u64 functionOf(u64 module, const char* name) {
  u64 function;
  want(cu("cuModuleGetFunction", &function, module, name), name);
  return function;
}

u64 device(size_t bytes) {
  u64 address;
  want(cu("cuMemAlloc_v2", &address, bytes), "alloc");
  return address;
}

template <class T>
u64 upload(const std::vector<T>& values) {
  u64 address = device(values.size() * sizeof(T));
  want(cu("cuMemcpyHtoD_v2", address, static_cast<const void*>(values.data()), values.size() * sizeof(T)), "upload");
  return address;
}

template <class T>
std::vector<T> download(u64 address, size_t count) {
  std::vector<T> values(count);
  want(cu("cuMemcpyDtoH_v2", static_cast<void*>(values.data()), address, count * sizeof(T)), "download");
  return values;
}

template <class... A>
int tryLaunch(u64 function, unsigned blocks, unsigned threads, A... arguments) {
  void* parameters[] = {&arguments..., nullptr};
  return cu("cuLaunchKernel", function, blocks, 1u, 1u, threads, 1u, 1u, 0u, stream, parameters,
            static_cast<void**>(nullptr));
}

int synchronise() { return cu("cuStreamSynchronize", stream); }

std::vector<float> ramp(size_t n) {
  std::vector<float> values(n);
  for (size_t i = 0; i < n; i++) values[i] = float(i % 101) - 37;
  return values;
}

// A planted mistake: the work must fail, with this code, and go on failing.
void mustFail(int code) {
  int got = synchronise();
  expect(got == code, "synchronise gives " + std::to_string(got) + ", want " + std::to_string(code));
  expect(synchronise() == code && cu("cuCtxSynchronize") == code, "the error does not stay");
}

// Right programs.

const char* const vectorAdd = R"(
#define OTHER 1000
// extern "C" __global__ void commented(float* out) {}
extern "C" __global__ void __launch_bounds__(64) add(float* out, const float* a, const float* b, char tag, double scale, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = a[i] + (float)scale * b[i] + (tag == 'x' ? 0 : OTHER);
}
extern "C" __global__ void nothing() {}
)";

void checkAdd() {
  u64 module = compile(vectorAdd), function = functionOf(module, "add"), offset, size;
  const u64 offsets[] = {0, 8, 16, 24, 32, 40}, sizes[] = {8, 8, 8, 1, 8, 4};
  for (u64 i = 0; i < 6; i++) {
    want(cu("cuFuncGetParamInfo", function, i, &offset, &size), "parameter");
    expect(offset == offsets[i] && size == sizes[i], "the layout of parameter " + std::to_string(i));
  }
  expect(cu("cuFuncGetParamInfo", function, u64(6), &offset, &size) == 1, "a seventh parameter");
  int threads;
  want(cu("cuFuncGetAttribute", &threads, 0, function), "attribute");
  expect(threads == 64, "max threads");

  std::vector<float> a = ramp(1000), b = ramp(1000);
  u64 da = upload(a), db = upload(b), out = device(4000);
  want(tryLaunch(function, 16, 64, out, da, db, 'x', 2.0, 1000), "launch");
  expect(std::isnan(download<float>(out, 1000)[0]), "the kernel ran before anyone synchronised");
  want(synchronise(), "synchronise");
  std::vector<float> got = download<float>(out, 1000);
  for (int i = 0; i < 1000; i++) expect(got[i] == a[i] + 2 * b[i], "sum " + std::to_string(i));
  want(cu("cuModuleUnload", module), "unload");
  for (u64 address : {da, db, out}) want(cu("cuMemFree_v2", address), "free");
  size_t free, total;
  want(cu("cuMemGetInfo_v2", &free, &total), "memory");
  expect(free == total, "memory is lost");
}

void checkReduce() {
  u64 function = functionOf(compile(R"(
    extern "C" __global__ void sum(float* out, const float* in, int n) {
      static __shared__ __align__(16) float part[2 * 64], unused;
      float s = 0;
      for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) s += in[i];
      part[threadIdx.x] = s;
      for (int half = 64; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
      }
      if (threadIdx.x == 0) atomicAdd(out, part[0]);
    })"),
                            "sum");
  std::vector<float> in = ramp(5000);
  double right = 0;
  for (float v : in) right += v;
  u64 out = upload(std::vector<float>{0});
  want(tryLaunch(function, 5, 128, out, upload(in), 5000), "launch");
  want(synchronise(), "synchronise");
  expect(download<float>(out, 1)[0] == right, "sum");
}

void checkWarp() {
  u64 function = functionOf(compile(R"(
    extern "C" __global__ void warps(float* out, int* votes, int* wide) {
      float s = threadIdx.x;
      for (int m = 16; m > 0; m /= 2) s += __shfl_xor_sync(0xffffffffu, s, m);
      out[threadIdx.x] = s + __shfl_sync(0xffffffffu, (float)threadIdx.x, 3, 8);
      votes[4 * threadIdx.x + 0] = __ballot_sync(0xffffffffu, threadIdx.x & 1);
      votes[4 * threadIdx.x + 1] = __any_sync(0xffffffffu, threadIdx.x == 40);
      votes[4 * threadIdx.x + 2] = __all_sync(0xffffffffu, threadIdx.x < 40);
      int half = threadIdx.x & 16;
      unsigned mask = half ? 0xffff0000u : 0x0000ffffu;
      if (half) votes[4 * threadIdx.x + 3] = __shfl_down_sync(mask, (int)threadIdx.x, 1, 16);
      else votes[4 * threadIdx.x + 3] = __shfl_up_sync(mask, (int)threadIdx.x, 1, 16);
      double whole = 4294967297.0 * (threadIdx.x ^ 1);  // both its halves say which thread's it is
      wide[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 4294967297.0 * threadIdx.x, 1) == whole;
      __syncwarp();
    })"),
                            "warps");
  u64 out = device(256), votes = device(1024), wide = device(256);
  want(tryLaunch(function, 1, 64, out, votes, wide), "launch");
  want(synchronise(), "synchronise");
  auto sums = download<float>(out, 64);
  auto voted = download<int>(votes, 256), doubles = download<int>(wide, 64);
  for (int i = 0; i < 64; i++) {
    expect(sums[i] == (i < 32 ? 496 : 1520) + (i / 8 * 8 + 3), "shuffled sum");
    expect(unsigned(voted[4 * i]) == 0xaaaaaaaau && voted[4 * i + 1] == (i >= 32) && voted[4 * i + 2] == (i < 32),
           "votes");
    int neighbour = i & 16 ? (i % 32 == 31 ? i : i + 1) : (i % 32 == 0 ? i : i - 1);
    expect(voted[4 * i + 3] == neighbour, "neighbour of " + std::to_string(i));
    expect(doubles[i] == 1, "shuffled double");
  }
}

void checkCompiler() {
  std::string log;
  expect(!compile("\n\nextern \"C\" __global__ void k(float* p) { p[0] = oops; }", &log) &&
             log.find("test.cu:3") != std::string::npos,
         "the line of an error: " + log);
  for (const char* missing : {"uint32_t", "NAN", "INFINITY", "std::min"})
    expect(
        !compile((std::string("extern \"C\" __global__ void k(float* p) { p[0] = sizeof(") + missing + "); }").c_str(),
                 &log),
        std::string("NVRTC has no ") + missing);
  expect(!compile("#include <stdint.h>\n", &log), "NVRTC has no headers");
  expect(!compile("extern \"C\" __global__ void k() { extern __shared__ float s[]; s[0] = 1; }", &log) &&
             log.find("cannot read") != std::string::npos,
         "dynamic shared memory");
  u64 function, module = compile(
                    "__global__ void mangled() {}  template <class T> __global__ void t(T) {}  extern \"C\" __global__ "
                    "void k(int); extern \"C\" __global__ void k(int i) {}");
  functionOf(module, "k");
  expect(cu("cuModuleGetFunction", &function, module, "mangled") == 500, "a mangled kernel is found");
  expect(cu("cuModuleGetFunction", &function, module, "absent") == 500, "an absent kernel is found");

  // One name in two modules, and other parameters.
  u64 one = functionOf(compile("extern \"C\" __global__ void k(int* p) { p[0] = 1; }"), "k");
  u64 two = functionOf(compile("extern \"C\" __global__ void k(int i, int* p) { p[1] = i; }"), "k");
  u64 out = device(8);
  want(tryLaunch(one, 1, 1, out), "launch");
  want(tryLaunch(two, 1, 1, 2, out), "launch");
  want(synchronise(), "synchronise");
  expect(download<int>(out, 2) == std::vector<int>{1, 2}, "two kernels of one name");
}

void checkEvents() {
  u64 other, start, end,
      function = functionOf(compile(R"(extern "C" __global__ void next(int* p) { *p += 1; })"), "next");
  want(cu("cuStreamCreate", &other, 1u), "stream");
  want(cu("cuEventCreate", &start, 0u), "event");
  want(cu("cuEventCreate", &end, 0u), "event");
  u64 p = upload(std::vector<int>{0});
  want(cu("cuEventRecord", start, stream), "record");
  want(tryLaunch(function, 1, 1, p), "launch");
  want(cu("cuEventRecord", end, stream), "record");
  expect(cu("cuEventQuery", end) == 600, "an event happens before its time");
  want(cu("cuStreamWaitEvent", other, end, 0u), "wait");
  want(cu("cuStreamSynchronize", other), "synchronise");
  expect(download<int>(p, 1)[0] == 1 && cu("cuEventQuery", end) == 0, "a stream does not wait for an event");
  float milliseconds = -1;
  want(cu("cuEventElapsedTime", &milliseconds, start, end), "elapsed");
  expect(milliseconds >= 0 && milliseconds < 1000, "time");
  want(tryLaunch(function, 1, 1, p), "launch");
  int queries = 0;
  while (cu("cuStreamQuery", stream) == 600) queries++;
  expect(queries == 1 && download<int>(p, 1)[0] == 2, "a loop of queries");
}

float* pinned(size_t count) {
  void* host;
  want(cu("cuMemHostAlloc", &host, count * 4, 0u), "pinned memory");
  return static_cast<float*>(host);
}

void checkCapture() {
  u64 function = functionOf(
      compile(
          R"(extern "C" __global__ void scale(float* out, const float* in, float by) { out[threadIdx.x] = by * in[threadIdx.x]; })"),
      "scale");
  u64 in = device(128), out = device(128), twice = device(128), graph, run;
  float* host = pinned(32);
  auto work = [&](float by) {
    want(cu("cuMemcpyHtoDAsync_v2", in, host, size_t(128), stream), "upload");
    want(cu("cuMemsetD32Async", out, 0u, size_t(32), stream), "fill");
    want(tryLaunch(function, 1, 32, out, in, by), "launch");
    want(cu("cuMemcpyDtoDAsync_v2", twice, out, size_t(128), stream), "copy");
  };
  for (int i = 0; i < 32; i++) host[i] = float(i);
  want(cu("cuStreamBeginCapture_v2", stream, 0), "begin");
  work(3);
  want(cu("cuStreamEndCapture", stream, &graph), "end");
  want(cu("cuGraphInstantiateWithFlags", &run, graph, 0ull), "instantiate");
  want(cu("cuGraphDestroy", graph), "destroy graph");
  expect(std::isnan(download<float>(twice, 1)[0]), "a capture ran its work");
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 32; i++) host[i] = float(i + round);
    want(cu("cuGraphLaunch", run, stream), "replay");
    want(synchronise(), "synchronise");
    auto replayed = download<float>(twice, 32);
    work(3);
    want(synchronise(), "synchronise");
    expect(replayed == download<float>(twice, 32) && replayed[5] == 3.0f * float(5 + round), "replay and eager differ");
  }
  want(cu("cuGraphExecDestroy", run), "destroy");
}

void checkCaptureIllegal() {
  u64 address, graph;
  want(cu("cuStreamBeginCapture_v2", stream, 0), "begin");
  expect(cu("cuMemAlloc_v2", &address, size_t(4)) == 900, "cuMemAlloc in a capture");
  expect(cu("cuMemsetD32Async", u64(0), 0u, size_t(0), stream) == 901, "the capture goes on");
  expect(cu("cuStreamEndCapture", stream, &graph) == 901 && !graph, "an invalid capture ends well");
  want(cu("cuStreamBeginCapture_v2", stream, 0), "begin");
  expect(synchronise() == 900, "synchronise in a capture");
  expect(cu("cuStreamEndCapture", stream, &graph) == 901, "an invalid capture ends well");
}

// Other threads may queue work of a capture, as Gorgonia's do; the one that
// began it must end it.
void checkCaptureThreads() {
  u64 graph, run, p = device(4);
  for (int mode : {1, 2}) {
    want(cu("cuStreamBeginCapture_v2", stream, mode), "begin");
    std::thread([&] {
      want(cu("cuCtxSetCurrent", context), "set current");
      want(cu("cuMemsetD32Async", p, unsigned(mode), size_t(1), stream), "fill");
      expect(cu("cuStreamEndCapture", stream, &graph) == (mode == 2 ? 0 : 908), "end on another thread");
    }).join();
    if (mode != 2) want(cu("cuStreamEndCapture", stream, &graph), "end");
    want(cu("cuGraphInstantiateWithFlags", &run, graph, 0ull), "instantiate");
    want(cu("cuGraphLaunch", run, stream), "replay");
    want(synchronise(), "synchronise");
    expect(download<int>(p, 1)[0] == mode, "the other thread's work is missing");
    want(cu("cuGraphDestroy", graph), "destroy graph");
    want(cu("cuGraphExecDestroy", run), "destroy");
  }
}

void checkCaptureTwoStreams() {
  u64 other, fork, join, graph, run, p = upload(std::vector<int>{0});
  u64 function =
      functionOf(compile(R"(extern "C" __global__ void step(int* p, int by) { *p = *p * 10 + by; })"), "step");
  want(cu("cuStreamCreate", &other, 1u), "stream");
  want(cu("cuEventCreate", &fork, 2u), "event");
  want(cu("cuEventCreate", &join, 2u), "event");
  for (bool joined : {true, false}) {
    want(cu("cuStreamBeginCapture_v2", stream, 0), "begin");
    want(tryLaunch(function, 1, 1, p, 1), "launch");
    want(cu("cuEventRecord", fork, stream), "record");
    want(cu("cuStreamWaitEvent", other, fork, 0u), "wait");
    u64 mine = stream;
    stream = other;
    want(tryLaunch(function, 1, 1, p, 2), "launch");
    stream = mine;
    want(cu("cuEventRecord", join, other), "record");
    if (joined) want(cu("cuStreamWaitEvent", stream, join, 0u), "wait");
    want(tryLaunch(function, 1, 1, p, 3), "launch");
    expect(cu("cuStreamEndCapture", stream, &graph) == (joined ? 0 : 904), "end");
    if (!joined) break;
    want(cu("cuGraphInstantiateWithFlags", &run, graph, 0ull), "instantiate");
    want(cu("cuGraphLaunch", run, stream), "replay");
    want(synchronise(), "synchronise");
    expect(download<int>(p, 1)[0] == 123, "order");
  }
}

void checkLimit() {
  u64 address, first = device(600 << 10);
  expect(cu("cuMemAlloc_v2", &address, size_t(600) << 10) == 2, "more memory than there is");
  want(cu("cuMemFree_v2", first), "free");
  u64 again = device(600 << 10);
  expect(again != first, "an address is used again");
}

void checkContexts() {
  close();
  for (int i = 0; i < 3; i++) {
    open();
    u64 function = functionOf(compile(vectorAdd), "nothing");
    want(tryLaunch(function, 2, 32), "launch");
    want(synchronise(), "synchronise");
    if (i < 2) close();
  }
}

// The matrix product.

float roundTo(float value, int type, bool tf32) {
  uint32_t u;
  memcpy(&u, &value, 4);
  if (tf32) u &= ~0x1fffu;
  if (type == 14) u &= 0xffff0000u;
  memcpy(&value, &u, 4);
  return value;
}

std::vector<char> pack(const std::vector<float>& values, int type) {
  std::vector<char> bytes(values.size() * (type == 14 ? 2 : 4));
  for (size_t i = 0; i < values.size(); i++)
    memcpy(&bytes[i * (type == 14 ? 2 : 4)], reinterpret_cast<const char*>(&values[i]) + (type == 14 ? 2 : 0),
           type == 14 ? 2 : 4);
  return bytes;
}

struct Case {
  int compute, input, output;
  int transposeA, transposeB;
  int order;
  int batch;
};

void multiplyCase(const Case& c, u64 handle) {
  const int m = 5, n = 7, k = 33;
  auto blas = [](const char* name, auto... arguments) { return call(blasLibrary, name, arguments...); };
  u64 operation, layouts[4], preference;
  want(blas("cublasLtMatmulDescCreate", &operation, c.compute, 0), "descriptor");
  want(blas("cublasLtMatmulDescSetAttribute", operation, 3, &c.transposeA, size_t(4)), "transpose A");
  want(blas("cublasLtMatmulDescSetAttribute", operation, 4, &c.transposeB, size_t(4)), "transpose B");
  const int rows[] = {c.transposeA ? k : m, c.transposeB ? n : k, m, m},
            columns[] = {c.transposeA ? m : k, c.transposeB ? k : n, n, n};
  const int types[] = {c.input, c.input, c.output, c.output};
  int64_t leading[4], strides[4];
  for (int i = 0; i < 4; i++) {
    leading[i] = (c.order ? columns[i] : rows[i]) + i;
    strides[i] = leading[i] * (c.order ? rows[i] : columns[i]) + 3;
    want(blas("cublasLtMatrixLayoutCreate", &layouts[i], types[i], u64(rows[i]), u64(columns[i]), leading[i]),
         "layout");
    want(blas("cublasLtMatrixLayoutSetAttribute", layouts[i], 1, &c.order, size_t(4)), "order");
    want(blas("cublasLtMatrixLayoutSetAttribute", layouts[i], 5, &c.batch, size_t(4)), "batch");
    want(blas("cublasLtMatrixLayoutSetAttribute", layouts[i], 6, &strides[i], size_t(8)), "stride");
  }
  auto place = [&](int i, int batch, int row, int column) {
    return batch * strides[i] + (c.order ? row * leading[i] + column : column * leading[i] + row);
  };
  std::vector<float> values[3];
  u64 addresses[4];
  for (int i = 0; i < 3; i++) {
    values[i].resize(strides[i] * c.batch);
    for (float& v : values[i]) v = roundTo(float(rand()) / float(RAND_MAX) - 0.5f, types[i], false);
    addresses[i] = upload(pack(values[i], types[i]));
    for (float& v : values[i]) v = roundTo(v, types[i], c.compute == 77 && i < 2);  // as the product must
  }
  addresses[3] = upload(pack(std::vector<float>(strides[3] * c.batch, NAN), types[3]));

  u64 most = 4 << 20, workspace = device(most);
  char results[8 * 96];
  int count;
  want(blas("cublasLtMatmulPreferenceCreate", &preference), "preference");
  want(blas("cublasLtMatmulPreferenceSetAttribute", preference, 1, &most, size_t(8)), "preference");
  want(blas("cublasLtMatmulAlgoGetHeuristic", handle, operation, layouts[0], layouts[1], layouts[2], layouts[3],
            preference, 8, static_cast<void*>(results), &count),
       "heuristic");
  expect(count == 3, "three algorithms");
  std::vector<std::vector<char>> outputs;
  for (int i = 0; i < count; i++) {
    float alpha = 2, beta = 0.5f;
    u64 needed;
    memcpy(&needed, results + i * 96 + 64, 8);
    want(blas("cublasLtMatmul", handle, operation, &alpha, addresses[0], layouts[0], addresses[1], layouts[1], &beta,
              addresses[2], layouts[2], addresses[3], layouts[3], static_cast<void*>(results + i * 96), workspace,
              needed, stream),
         "matmul");
    alpha = beta = NAN;  // read when called
    want(synchronise(), "synchronise");
    size_t width = c.output == 14 ? 2 : 4;
    outputs.push_back(download<char>(addresses[3], strides[3] * c.batch * width));
    for (int batch = 0; batch < c.batch; batch++)
      for (int row = 0; row < m; row++)
        for (int column = 0; column < n; column++) {
          double right = 0;
          for (int l = 0; l < k; l++)
            right += double(values[0][c.transposeA ? place(0, batch, l, row) : place(0, batch, row, l)]) *
                     values[1][c.transposeB ? place(1, batch, column, l) : place(1, batch, l, column)];
          right = 2 * right + 0.5 * values[2][place(2, batch, row, column)];
          float got = 0;
          memcpy(reinterpret_cast<char*>(&got) + (4 - width), &outputs[i][place(3, batch, row, column) * width], width);
          expect(std::fabs(got - right) <= (c.output == 14 ? 4e-3 : 1e-6) * (1 + std::fabs(right)), "product");
        }
  }
  if (c.output == 0) expect(outputs[0] != outputs[1] && outputs[1] != outputs[2], "the algorithms do not differ");
}

void checkMatmul() {
  u64 handle;
  want(call(blasLibrary, "cublasLtCreate", &handle), "cuBLASLt");
  for (int transposeA : {0, 1})
    for (int transposeB : {0, 1})
      for (int order : {0, 1}) {
        multiplyCase({68, 0, 0, transposeA, transposeB, order, 1}, handle);
        multiplyCase({77, 0, 0, transposeA, transposeB, order, 2}, handle);
        multiplyCase({68, 14, 0, transposeA, transposeB, order, 3}, handle);
        multiplyCase({68, 14, 14, transposeA, transposeB, order, 1}, handle);
      }
}

// A product of 4 × 4 matrices whose A lies in memory of so many bytes.
void smallMatmul(size_t bytesOfA, int64_t leadingA, size_t workspaceSize, int status) {
  auto blas = [](const char* name, auto... arguments) { return call(blasLibrary, name, arguments...); };
  u64 handle, operation, layoutA, layout, most = 0, a = device(bytesOfA), b = device(64), d = device(64);
  float alpha = 1, beta = 0;
  want(blas("cublasLtCreate", &handle), "cuBLASLt");
  want(blas("cublasLtMatmulDescCreate", &operation, 68, 0), "descriptor");
  want(blas("cublasLtMatrixLayoutCreate", &layoutA, 0, u64(4), u64(4), leadingA), "layout");
  want(blas("cublasLtMatrixLayoutCreate", &layout, 0, u64(4), u64(4), int64_t(4)), "layout");
  expect(blas("cublasLtMatmulDescSetAttribute", operation, 3, &most, size_t(8)) == 7, "an attribute of the wrong size");
  int epilogue = 4;
  u64 other;
  want(blas("cublasLtMatmulDescCreate", &other, 68, 0), "descriptor");
  expect(blas("cublasLtMatmulDescSetAttribute", other, 7, &epilogue, size_t(4)) == 15, "an epilogue");
  expect(blas("cublasLtMatmul", handle, operation, &alpha, a, layoutA, b, layout, &beta, d, layout, d, layout,
              static_cast<void*>(nullptr), d + 16, workspaceSize, stream) == status,
         "status");
}

// A product at an address that its algorithm was not asked for with, which may be
// given another one.
void unalignedMatmul() {
  auto blas = [](const char* name, auto... arguments) { return call(blasLibrary, name, arguments...); };
  u64 handle, operation, layout, preference, a = device(80), b = device(64), d = device(64);
  float alpha = 1, beta = 0;
  want(blas("cublasLtCreate", &handle), "cuBLASLt");
  want(blas("cublasLtMatmulDescCreate", &operation, 68, 0), "descriptor");
  want(blas("cublasLtMatrixLayoutCreate", &layout, 0, u64(4), u64(4), int64_t(4)), "layout");
  want(blas("cublasLtMatmulPreferenceCreate", &preference), "preference");
  auto status = [&] {
    char results[96];
    int count;
    want(blas("cublasLtMatmulAlgoGetHeuristic", handle, operation, layout, layout, layout, layout, preference, 1,
              static_cast<void*>(results), &count),
         "heuristic");
    return blas("cublasLtMatmul", handle, operation, &alpha, a + 16, layout, b, layout, &beta, d, layout, d, layout,
                static_cast<void*>(results), u64(0), size_t(0), stream);
  };
  expect(status() == 7, "an address that is not aligned");
  uint32_t aligned = 16;
  want(blas("cublasLtMatmulPreferenceSetAttribute", preference, 5, &aligned, size_t(4)), "preference");
  want(status(), "matmul");
}

// Planted mistakes.

void runBroken(const char* source, unsigned blocks, unsigned threads, size_t bytes, int code) {
  u64 function = functionOf(compile(source), "k");
  want(tryLaunch(function, blocks, threads, device(bytes)), "launch");
  mustFail(code);
}

void checkTwoBlocks() {
  runBroken(R"(
    extern "C" __global__ void k(float* p) {
      if (threadIdx.x == 0) p[0] = p[0] + 1;
    })",
            2, 32, 4, 719);
}

void checkTwoThreads() {
  runBroken(R"(
    extern "C" __global__ void k(float* p) {
      __shared__ float s[64];
      s[threadIdx.x] = threadIdx.x;
      p[threadIdx.x] = s[63 - threadIdx.x];
    })",
            1, 64, 256, 719);
}

// Without the barrier the result depends on the order: the test runs all orders.
void checkMissingBarrier() {
  u64 function = functionOf(compile(R"(
    extern "C" __global__ void k(float* p) {
      __shared__ float s[64];
      s[threadIdx.x] = threadIdx.x;
      p[threadIdx.x] = s[min(threadIdx.x + 1, 63u)];
    })"),
                            "k");
  u64 p = device(256);
  want(tryLaunch(function, 1, 64, p), "launch");
  want(synchronise(), "synchronise");
  auto got = download<float>(p, 64);
  for (int i = 0; i < 64; i++)
    expect(got[i] == float(i < 63 ? i + 1 : 63), "the neighbour of thread " + std::to_string(i));
}

// Right in the eyes of ThreadSanitizer, too.
void checkOrdered() {
  u64 function = functionOf(compile(R"(
    extern "C" __global__ void k(float* p, unsigned* count, float* total) {
      __shared__ float s[64];
      __shared__ bool last;
      float local[4];
      for (int round = 0; round < 3; round++) {
        s[threadIdx.x] = threadIdx.x;
        __syncthreads();
        local[round] = s[63 - threadIdx.x];
        __syncthreads();
      }
      p[blockIdx.x * 64 + threadIdx.x] = local[2];
      __threadfence();
      __syncthreads();
      if (threadIdx.x == 0) last = atomicAdd(count, 1u) == gridDim.x - 1;
      __syncthreads();
      if (last) {
        __threadfence();
        if (threadIdx.x == 0) {
          float sum = 0;
          for (int i = 0; i < 64 * gridDim.x; i++) sum += p[i];
          *total += sum;
        }
      }
    })"),
                            "k");
  u64 p = device(50 * 256), count = upload(std::vector<unsigned>{0}), total = upload(std::vector<float>{0});
  for (int i = 0; i < 2; i++) {
    want(cu("cuMemsetD32Async", count, 0u, size_t(1), stream), "fill");
    want(tryLaunch(function, 50, 64, p, count, total), "launch");
  }
  want(synchronise(), "synchronise");
  expect(download<float>(total, 1)[0] == 2 * 50 * 2016, "total");
}

void checkPinnedReuse() {
  float* host = pinned(4);
  u64 p = device(16);
  host[0] = 1;
  want(cu("cuMemcpyHtoDAsync_v2", p, host, size_t(16), stream), "upload");
  host[0] = 2;  // too early
  want(synchronise(), "synchronise");
  expect(download<float>(p, 1)[0] == 2, "a pinned buffer is read before its turn");
}

void checkNoContext() {
  u64 address;
  want(cu("cuInit", 0u), "cuInit");
  expect(cu("cuMemAlloc_v2", &address, size_t(4)) == 201, "a thread without a context");
}

void checkOldNames() {
  for (const char* name : {"cuDeviceTotalMem", "cuDevicePrimaryCtxRelease", "cuMemGetInfo", "cuMemAlloc", "cuMemFree",
                           "cuMemcpyHtoD", "cuMemcpyDtoH", "cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync",
                           "cuMemcpyDtoDAsync", "cuStreamDestroy", "cuEventDestroy", "cuStreamBeginCapture"})
    expect(cu(name, u64(0), u64(0), u64(0), u64(0)) != 0, name);
}

void checkUseAfterFree() {
  u64 function = functionOf(compile(R"(extern "C" __global__ void k(float* p) { p[threadIdx.x] = 1; })"), "k"),
      p = device(256);
  want(tryLaunch(function, 1, 64, p), "launch");
  want(cu("cuMemFree_v2", p), "free");
  mustFail(700);
}

// Microseconds for each of many launches that are synchronised at once, and at the end.
void checkSpeed() {
  u64 function = functionOf(compile(vectorAdd), "nothing");
  for (bool each : {true, false}) {
    timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < 2000; i++) {
      want(tryLaunch(function, 1, 32), "launch");
      if (each) want(synchronise(), "synchronise");
    }
    want(synchronise(), "synchronise");
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.1f µs a launch, %s\n",
           (double(end.tv_sec - begin.tv_sec) * 1e6 + double(end.tv_nsec - begin.tv_nsec) / 1e3) / 2000,
           each ? "each synchronised" : "synchronised once");
  }
}

const std::map<std::string, std::function<void()>> checks = {
    {"add", checkAdd},
    {"reduce", checkReduce},
    {"warp", checkWarp},
    {"compiler", checkCompiler},
    {"events", checkEvents},
    {"capture", checkCapture},
    {"capture-illegal", checkCaptureIllegal},
    {"capture-threads", checkCaptureThreads},
    {"capture-two-streams", checkCaptureTwoStreams},
    {"contexts", checkContexts},
    {"limit", checkLimit},
    {"matmul", checkMatmul},
    {"ordered", checkOrdered},
    {"pinned-reuse", checkPinnedReuse},
    {"speed", checkSpeed},
    {"old-names", checkOldNames},
    {"missing-barrier", checkMissingBarrier},
    {"two-blocks", checkTwoBlocks},
    {"two-threads", checkTwoThreads},
    {"between-barriers",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) {\n __shared__ float s[64];\n s[threadIdx.x] = 1;\n "
                 "__syncthreads();\n float right = s[(threadIdx.x + 1) % 64];\n s[threadIdx.x] = right + 1;\n "
                 "__syncthreads();\n p[threadIdx.x] = s[threadIdx.x];\n}",
                 1, 64, 256, 719);
     }},
    {"between-warps",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) {\n __shared__ float s[32];\n s[threadIdx.x] = 1;\n "
                 "__syncwarp();\n float right = s[(threadIdx.x + 1) % 32];\n s[threadIdx.x] = right + 1;\n "
                 "__syncwarp();\n p[threadIdx.x] = s[threadIdx.x];\n}",
                 1, 32, 128, 719);
     }},
    {"use-after-free", checkUseAfterFree},
    {"divergent-barrier",
     [] {
       runBroken(
           "extern \"C\" __global__ void k(float* p) {\n if (threadIdx.x < 32)\n  __syncthreads();\n else\n  "
           "__syncthreads();\n}",
           1, 64, 4, 719);
     }},
    {"early-exit",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) {\n if (threadIdx.x == 7) return;\n __syncthreads();\n}", 1,
                 64, 4, 719);
     }},
    {"shuffle-exit",
     [] {
       runBroken(
           "extern \"C\" __global__ void k(float* p) {\n if (threadIdx.x == 7) return;\n p[0] = "
           "__shfl_sync(0xffffffffu, 1.0f, 0);\n}",
           1, 32, 4, 719);
     }},
    {"shuffle-absent",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) { p[0] = __shfl_xor_sync(0xffffffffu, 1.0f, 16); }", 1, 16,
                 4, 719);
     }},
    {"shuffle-mask",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) { p[0] = __shfl_sync(0xffu, 1.0f, 0); }", 1, 32, 4, 719);
     }},
    {"past-end",
     [] { runBroken("extern \"C\" __global__ void k(float* p) { p[threadIdx.x + 1] = 1; }", 1, 64, 256, 700); }},
    {"past-end-read",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) {\n\n p[0] = p[64 * blockIdx.x + threadIdx.x];\n}", 2, 64,
                 256, 700);
     }},
    {"past-odd-end",
     [] { runBroken("extern \"C\" __global__ void k(float* p) { p[threadIdx.x] = 1; }", 1, 6, 20, 700); }},
    {"before",
     [] { runBroken("extern \"C\" __global__ void k(float* p) { p[(int)threadIdx.x - 1] = 1; }", 1, 64, 256, 700); }},
    {"null",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) { float* q = p[0] == 1 ? p : 0; q[threadIdx.x] = 1; }", 1, 1,
                 4, 700);
     }},
    {"host-pointer",
     [] { runBroken("extern \"C\" __global__ void k(float* p) { ((float*)0xc000010000ull)[0] = 1; }", 1, 1, 4, 700); }},
    {"shared-index",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) {\n __shared__ float s[4][8];\n s[1][threadIdx.x] = 1;\n}",
                 1, 9, 4, 700);
     }},
    {"shared-pointer",
     [] {
       runBroken(
           "__device__ void set(float* s) { s[threadIdx.x] = 1; }\nextern \"C\" __global__ void k(float* p) {\n "
           "__shared__ float s[60];\n set(s);\n}",
           1, 64, 4, 700);
     }},
    {"shared-too-much",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) { __shared__ float s[12289]; s[0] = 1; }", 1, 1, 4, 1);
     }},
    {"misaligned",
     [] {
       runBroken("extern \"C\" __global__ void k(float* p) {\n float4 v = *(float4*)(p + 1); p[0] = v.x;\n}", 1, 1, 64,
                 716);
     }},
    {"assert", [] { runBroken("extern \"C\" __global__ void k(float* p) { assert(p[0] == THREE); }", 1, 1, 4, 710); }},
    {"stack",
     [] {
       runBroken(
           "extern \"C\" __global__ void k(float* p) { volatile float local[80000]; for (int i = 79999; i >= 0; i--) "
           "local[i] = p[0]; p[0] = local[5]; }",
           1, 1, 4, 700);
     }},
    {"free-twice",
     [] {
       u64 p = device(4);
       want(cu("cuMemFree_v2", p), "free");
       expect(cu("cuMemFree_v2", p) == 1, "free twice");
     }},
    {"copy-range",
     [] {
       char host[16] = {};
       expect(cu("cuMemcpyHtoD_v2", device(12), static_cast<const void*>(host), size_t(16)) == 1,
              "a copy past the end");
     }},
    {"copy-host",
     [] {
       u64 p = device(16);
       expect(cu("cuMemcpyHtoD_v2", p, p, size_t(16)) == 1, "device memory for host memory");
     }},
    {"not-pinned",
     [] {
       char host[16] = {};
       expect(cu("cuMemcpyHtoDAsync_v2", device(16), static_cast<const void*>(host), size_t(16), stream) == 1,
              "memory that is not pinned");
     }},
    {"too-many-threads",
     [] { expect(tryLaunch(functionOf(compile(vectorAdd), "nothing"), 1, 1025) == 1, "1025 threads"); }},
    {"launch-bounds",
     [] {
       expect(tryLaunch(functionOf(compile(vectorAdd), "add"), 1, 65, u64(0), u64(0), u64(0), 'x', 1.0, 0) == 701,
              "more threads than __launch_bounds__ says");
     }},
    {"wrong-handle", [] { expect(cu("cuEventRecord", stream, stream) == 400, "a stream for an event"); }},
    {"leak",
     [] {
       device(4);
       close();
       open();
     }},
    {"matmul-past-end",
     [] {
       smallMatmul(64, 5, 0, 0);
       mustFail(700);
     }},
    {"matmul-leading", [] { smallMatmul(64, 3, 0, 7); }},
    {"matmul-workspace", [] { smallMatmul(64, 4, 64, 7); }},
    {"matmul-aligned", unalignedMatmul},
};

}  // namespace

// As Go's heap may lie, once.
void coverDevice() {
  if (getenv("COSFIT_FAKE_AGAIN")) return;
  constexpr uint64_t device = 0x2000000000;
  void* there = mmap(reinterpret_cast<void*>(device + (1 << 30)), 4096, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (there == MAP_FAILED) printf("cannot cover the device\n"), exit(5);
}

int main(int, char** arguments) {
  auto load = [](const char* soname) {
    void* library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (!library) printf("%s\n", dlerror()), exit(5);
    return library;
  };
  driverLibrary = load("libcuda.so.1"), compilerLibrary = load("libnvrtc.so.12"),
  blasLibrary = load("libcublasLt.so.12");
  std::string name = arguments[1];
  if (name == "covered") coverDevice(), name = "add";
  if (name == "no-context") {
    checkNoContext();
  } else {
    open();
    checks.at(name)();
  }
  printf("done\n");
}
