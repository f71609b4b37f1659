// The matrix product's API (libcublasLt.so.12): descriptors, a choice of three
// algorithms, and the product as work on a stream.
#include <cstdlib>
#include <cstring>

#include "driver.h"

namespace {

enum : int {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_NOT_SUPPORTED = 15,
};

constexpr int computeFloat32 = 68, computeTF32 = 77, typeFloat32 = 0, typeBFloat16 = 14;

const char* statusName(int status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "CUBLAS_STATUS unknown";
}

struct Handle {};

struct Operator {
  int32_t compute, scale, pointerMode = 0, transposeA = 0, transposeB = 0, epilogue = 1;
};

struct Layout {
  int32_t type, order = 0, batch = 1;
  uint64_t rows, columns;
  int64_t leading, stride = 0;
};

struct Preference {
  uint64_t workspace = 0;
  uint32_t aligned[4] = {256, 256, 256, 256};  // bytes that A, B, C and D begin at multiples of
};

struct {
  Table<Handle> handles;
  Table<Operator> operators;
  Table<Layout> layouts;
  Table<Preference> preferences;
} library;

int refuseBlas(int status, const std::string& message) {
  complain(format("%s: ", driver.call) + message + " (" + statusName(status) + ")");
  return status;
}

template <class Body>
int blas(const char* name, Body body) {
  std::lock_guard<std::recursive_mutex> lock(driver.mutex);
  driver.call = name;
  return body();
}

int readyBlas() {
  int code = ready(context);
  if (!code) return 0;
  return driver.device && code == device().broken ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_NOT_INITIALIZED;
}

template <class T>
std::shared_ptr<T> objectOf(const Table<T>& table, uint64_t handle, const char* what, int& status) {
  auto found = table.get(handle);
  if (!found)
    status = refuseBlas(CUBLAS_STATUS_INVALID_VALUE, format("0x%llx is no %s, or was one", ull(handle), what));
  return found;
}

template <class T>
int destroy(const char* name, Table<T>& table, uint64_t handle, const char* what) {
  return blas(name, [&] {
    int status = 0;
    if (objectOf(table, handle, what, status)) table.remove(handle);
    return status;
  });
}

// Attributes: each has one size, and another one is refused, as in reality.

struct Field {
  int attribute;
  void* value;
  size_t size;
};

int find(std::initializer_list<Field> fields, int attribute, size_t size, Field& found) {
  for (const Field& f : fields) {
    if (f.attribute != attribute) continue;
    if (f.size != size)
      return refuseBlas(CUBLAS_STATUS_INVALID_VALUE,
                        format("attribute %d has %zu bytes, not %zu", attribute, f.size, size));
    found = f;
    return 0;
  }
  return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED, format("the fake has no attribute %d", attribute));
}

int write(std::initializer_list<Field> fields, int attribute, const void* from, size_t size) {
  Field field;
  int status = find(fields, attribute, size, field);
  if (!status) memcpy(field.value, from, size);
  return status;
}

// The problem that descriptors describe, checked; sizes in elements.

uint64_t elementSize(Type type) { return type == Type::float32 ? 4 : 2; }

int describeMatrix(const Layout& l, const char* name, Matrix& out) {
  if (l.type != typeFloat32 && l.type != typeBFloat16)
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED,
                      format("%s has type %d; the fake knows 0 (float) and 14 (bfloat16)", name, l.type));
  if (l.order != 0 && l.order != 1)
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED,
                      format("%s has order %d; the fake knows 0 (columns) and 1 (rows)", name, l.order));
  uint64_t least = l.order == 1 ? l.columns : l.rows;
  if (l.leading < int64_t(least))
    return refuseBlas(
        CUBLAS_STATUS_INVALID_VALUE,
        format("%s is %llu × %llu in %s, and its leading dimension %lld is less than %llu", name, ull(l.rows),
               ull(l.columns), l.order == 1 ? "rows" : "columns", (long long)l.leading, ull(least)));
  out = {0, Type(l.type), l.order, l.batch, l.rows, l.columns, l.leading, l.stride};
  return 0;
}

int describeProduct(uint64_t operation, const uint64_t (&layouts)[4], Product& p) {
  int status = 0;
  auto o = objectOf(library.operators, operation, "matmul descriptor", status);
  const char* names[] = {"A", "B", "C", "D"};
  Matrix* matrices[] = {&p.a, &p.b, &p.c, &p.d};
  for (int i = 0; i < 4 && !status; i++) {
    auto layout = objectOf(library.layouts, layouts[i], format("layout (of %s)", names[i]).c_str(), status);
    if (layout) status = describeMatrix(*layout, names[i], *matrices[i]);
  }
  if (status) return status;
  if (o->epilogue != 1)
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED,
                      format("epilogue %d; the fake has the default one only", o->epilogue));
  if (o->pointerMode != 0)
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED, "the fake reads alpha and beta from the host only");
  if (o->scale != typeFloat32)
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED, format("scale type %d; the fake has 0 (float) only", o->scale));
  if (p.a.type != p.b.type || p.c.type != p.d.type)
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED, "A and B, and C and D, must have one type each");
  if (o->compute == computeTF32 && p.a.type != Type::float32)
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED, "tf32 takes float, not bfloat16");
  if (p.a.type == Type::float32 && p.d.type != Type::float32)
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED, "float inputs give float outputs");
  p.transposeA = o->transposeA, p.transposeB = o->transposeB, p.tf32 = o->compute == computeTF32;

  uint64_t m = p.transposeA ? p.a.columns : p.a.rows, k = p.transposeA ? p.a.rows : p.a.columns;
  uint64_t inner = p.transposeB ? p.b.columns : p.b.rows, n = p.transposeB ? p.b.rows : p.b.columns;
  if (k != inner || p.d.rows != m || p.d.columns != n || p.c.rows != m || p.c.columns != n)
    return refuseBlas(
        CUBLAS_STATUS_INVALID_VALUE,
        format("op(A) is %llu × %llu and op(B) %llu × %llu, but C is %llu × %llu and D %llu × %llu", ull(m), ull(k),
               ull(inner), ull(n), ull(p.c.rows), ull(p.c.columns), ull(p.d.rows), ull(p.d.columns)));
  if (p.a.batch != p.d.batch || p.b.batch != p.d.batch || p.c.batch != p.d.batch || p.d.batch < 1)
    return refuseBlas(CUBLAS_STATUS_INVALID_VALUE, "the matrices have batches of several lengths");
  return 0;
}

// What the opaque 64 bytes of an algorithm hold here: which one it is, and the
// problem and the alignment of A, B, C and D that it was chosen for.

struct Algorithm {
  uint64_t magic, number, problem;
  uint32_t aligned[4];
  uint64_t unused[3];
};
static_assert(sizeof(Algorithm) == 64);

struct HeuristicResult {
  Algorithm algorithm;
  uint64_t workspace;
  int32_t state;
  float waves;
  int32_t reserved[4];
};
static_assert(sizeof(HeuristicResult) == 96);

constexpr uint64_t algorithmMagic = 0xfa4ea190fa4ea190;
constexpr uint64_t workspaceOf[] = {0, 4096, 1 << 20};

uint64_t fingerprint(const Product& p) {
  Product q = p;
  q.a.address = q.b.address = q.c.address = q.d.address = 0;
  uint64_t h = 0;
  auto mix = [&](uint64_t value) { h = (h ^ value) * 0x100000001b3 + 1; };
  for (const Matrix* m : {&q.a, &q.b, &q.c, &q.d})
    for (uint64_t value : {uint64_t(m->type), uint64_t(m->rowMajor), uint64_t(m->batch), m->rows, m->columns,
                           uint64_t(m->leading), uint64_t(m->stride)})
      mix(value);
  for (int value : {p.transposeA, p.transposeB, p.tf32}) mix(uint64_t(value));
  return h;
}

int checkAlgorithm(const Algorithm& a, const Product& p) {
  if (a.magic != algorithmMagic || a.number > 2)
    return refuseBlas(CUBLAS_STATUS_INVALID_VALUE,
                      "the algorithm is none that cublasLtMatmulAlgoGetHeuristic gave: are its 64 bytes whole?");
  if (a.problem != fingerprint(p))
    return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED,
                      "the algorithm was chosen for another problem (other shapes, types or transpositions)");
  return 0;
}

int heuristic(uint64_t operation, const uint64_t (&layouts)[4], uint64_t preferenceHandle, int wanted,
              HeuristicResult* results, int* count) {
  Product p{};
  int status = describeProduct(operation, layouts, p);
  auto preference = status ? nullptr : objectOf(library.preferences, preferenceHandle, "preference", status);
  if (status) return status;
  *count = 0;
  for (uint64_t number = 0; number < 3 && *count < wanted; number++) {
    if (workspaceOf[number] > preference->workspace) continue;
    HeuristicResult r{};
    r.algorithm = {algorithmMagic, number, fingerprint(p), {}, {}};
    memcpy(r.algorithm.aligned, preference->aligned, sizeof preference->aligned);
    r.workspace = workspaceOf[number];
    r.waves = 1;
    results[(*count)++] = r;
  }
  return 0;
}

// The bytes of a matrix and its batch lie in one allocation, or a kernel's fault
// would tell; only what is plainly wrong is refused here.
int checkAddress(const char* name, const Matrix& m, uint32_t aligned) {
  if (!device().memory.holds(m.address, 1))
    return refuseBlas(CUBLAS_STATUS_INVALID_VALUE,
                      format("%s = 0x%llx is ", name, ull(m.address)) + device().memory.describe(m.address));
  if (m.address % elementSize(m.type))
    return refuseBlas(CUBLAS_STATUS_INVALID_VALUE,
                      format("%s = 0x%llx is not aligned to its elements", name, ull(m.address)));
  uint64_t within = device().memory.within(m.address);
  if (aligned && within % aligned)
    return refuseBlas(CUBLAS_STATUS_INVALID_VALUE,
                      format("%s is %llu bytes into its memory, and the algorithm was asked for with multiples of %u",
                             name, ull(within), aligned));
  return 0;
}

int matmul(Product& p, const Algorithm* algorithm, uint64_t streamHandle) {
  Algorithm chosen = algorithm ? *algorithm : Algorithm{algorithmMagic, 0, fingerprint(p), {}, {}};
  int status = checkAlgorithm(chosen, p);
  if (!status) status = checkAddress("A", p.a, chosen.aligned[0]);
  if (!status) status = checkAddress("B", p.b, chosen.aligned[1]);
  if (!status && p.beta != 0) status = checkAddress("C", p.c, chosen.aligned[2]);
  if (!status) status = checkAddress("D", p.d, chosen.aligned[3]);
  if (status) return status;
  const char* refused = getenv("COSFIT_FAKE_REFUSED");  // no mistake of the caller's, so nothing is said
  if (refused && strchr(refused, int('0' + chosen.number))) return CUBLAS_STATUS_NOT_SUPPORTED;
  p.algorithm = int32_t(chosen.number);
  uint64_t needed = workspaceOf[chosen.number];
  if (p.workspace.size < needed)
    return refuseBlas(CUBLAS_STATUS_INVALID_VALUE, format("a workspace of %llu bytes, and the algorithm needs %llu",
                                                          ull(p.workspace.size), ull(needed)));
  if (p.workspace.size && (!device().memory.holds(p.workspace.address, p.workspace.size) || p.workspace.address % 16))
    return refuseBlas(CUBLAS_STATUS_INVALID_VALUE,
                      format("the workspace of %llu bytes is no device memory of that size: 0x%llx is ",
                             ull(p.workspace.size), ull(p.workspace.address)) +
                          device().memory.describe(p.workspace.address));
  p.workspace.size = needed;
  auto stream = device().stream(streamHandle);
  if (!stream)
    return refuseBlas(CUBLAS_STATUS_INVALID_VALUE, format("0x%llx is no stream, or was one", ull(streamHandle)));
  Request request{};
  request.ask = Ask::multiply;
  request.product = p;
  auto shared = std::make_shared<Request>(request);
  int code = device().enqueue(stream, [shared] { return device().child.ask(*shared).code; });
  return code ? CUBLAS_STATUS_EXECUTION_FAILED : 0;
}

}  // namespace

extern "C" {

int cublasLtCreate(uint64_t* handle) {
  return blas(__func__, [&] {
    if (int status = readyBlas()) return status;
    return *handle = library.handles.add(std::make_shared<Handle>()), 0;
  });
}

int cublasLtDestroy(uint64_t handle) { return destroy(__func__, library.handles, handle, "handle"); }
size_t cublasLtGetVersion() { return 120900; }
size_t cublasLtGetCudartVersion() { return 12090; }

int cublasLtMatmulDescCreate(uint64_t* handle, int compute, int scale) {
  return blas(__func__, [&] {
    if (compute != computeFloat32 && compute != computeTF32)
      return refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED,
                        format("compute type %d; the fake knows 68 (float) and 77 (tf32)", compute));
    return *handle = library.operators.add(std::make_shared<Operator>(Operator{compute, scale})), 0;
  });
}

int cublasLtMatmulDescDestroy(uint64_t handle) {
  return destroy(__func__, library.operators, handle, "matmul descriptor");
}

#define COSFIT_OPERATOR_FIELDS(o)                                                                                 \
  {                                                                                                               \
    {0, &o.compute, 4}, {1, &o.scale, 4}, {2, &o.pointerMode, 4}, {3, &o.transposeA, 4}, {4, &o.transposeB, 4}, { \
      7, &o.epilogue, 4                                                                                           \
    }                                                                                                             \
  }

int cublasLtMatmulDescSetAttribute(uint64_t handle, int attribute, const void* value, size_t size) {
  return blas(__func__, [&] {
    int status = 0;
    auto o = objectOf(library.operators, handle, "matmul descriptor", status);
    if (status) return status;
    status = write(COSFIT_OPERATOR_FIELDS((*o)), attribute, value, size);
    if (!status && o->epilogue != 1)
      status = refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED,
                          format("epilogue %d; the fake has 1, the default, only", o->epilogue));
    if (!status && (o->transposeA >> 1 || o->transposeB >> 1))
      status = refuseBlas(CUBLAS_STATUS_NOT_SUPPORTED, "an operation is neither 0 (as it is) nor 1 (transposed)");
    return status;
  });
}

int cublasLtMatmulDescGetAttribute(uint64_t handle, int attribute, void* value, size_t size, size_t* written) {
  return blas(__func__, [&] {
    int status = 0;
    Field field;
    auto o = objectOf(library.operators, handle, "matmul descriptor", status);
    if (!status) status = find(COSFIT_OPERATOR_FIELDS((*o)), attribute, size, field);
    if (!status) memcpy(value, field.value, size);
    if (written) *written = status ? 0 : size;
    return status;
  });
}

int cublasLtMatrixLayoutCreate(uint64_t* handle, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  return blas(__func__, [&] {
    auto layout = std::make_shared<Layout>();
    layout->type = type, layout->rows = rows, layout->columns = columns, layout->leading = leading;
    return *handle = library.layouts.add(layout), 0;
  });
}

int cublasLtMatrixLayoutDestroy(uint64_t handle) { return destroy(__func__, library.layouts, handle, "layout"); }

int cublasLtMatrixLayoutSetAttribute(uint64_t handle, int attribute, const void* value, size_t size) {
  return blas(__func__, [&] {
    int status = 0;
    auto l = objectOf(library.layouts, handle, "layout", status);
    return status ? status
                  : write({{0, &l->type, 4},
                           {1, &l->order, 4},
                           {2, &l->rows, 8},
                           {3, &l->columns, 8},
                           {4, &l->leading, 8},
                           {5, &l->batch, 4},
                           {6, &l->stride, 8}},
                          attribute, value, size);
  });
}

int cublasLtMatmulPreferenceCreate(uint64_t* handle) {
  return blas(__func__, [&] { return *handle = library.preferences.add(std::make_shared<Preference>()), 0; });
}

int cublasLtMatmulPreferenceDestroy(uint64_t handle) {
  return destroy(__func__, library.preferences, handle, "preference");
}

int cublasLtMatmulPreferenceSetAttribute(uint64_t handle, int attribute, const void* value, size_t size) {
  return blas(__func__, [&] {
    int status = 0;
    int32_t ignored;
    auto p = objectOf(library.preferences, handle, "preference", status);
    return status ? status
                  : write({{1, &p->workspace, 8},
                           {0, &ignored, 4},
                           {3, &ignored, 4},
                           {5, &p->aligned[0], 4},
                           {6, &p->aligned[1], 4},
                           {7, &p->aligned[2], 4},
                           {8, &p->aligned[3], 4}},
                          attribute, value, size);
  });
}

int cublasLtMatmulAlgoGetHeuristic(uint64_t handle, uint64_t operation, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                   uint64_t preference, int wanted, void* results, int* count) {
  return blas(__func__, [&] {
    int status = 0;
    objectOf(library.handles, handle, "handle", status);
    return status
               ? status
               : heuristic(operation, {a, b, c, d}, preference, wanted, static_cast<HeuristicResult*>(results), count);
  });
}

int cublasLtMatmulAlgoCheck(uint64_t handle, uint64_t operation, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                            const void* algorithm, void* result) {
  return blas(__func__, [&] {
    int status = 0;
    Product p{};
    objectOf(library.handles, handle, "handle", status);
    if (!status) status = describeProduct(operation, {a, b, c, d}, p);
    if (!status) status = checkAlgorithm(*static_cast<const Algorithm*>(algorithm), p);
    if (status) return status;
    HeuristicResult r{};
    r.algorithm = *static_cast<const Algorithm*>(algorithm);
    r.workspace = workspaceOf[r.algorithm.number];
    r.waves = 1;
    return *static_cast<HeuristicResult*>(result) = r, 0;
  });
}

int cublasLtMatmul(uint64_t handle, uint64_t operation, const void* alpha, uint64_t a, uint64_t layoutA, uint64_t b,
                   uint64_t layoutB, const void* beta, uint64_t c, uint64_t layoutC, uint64_t d, uint64_t layoutD,
                   const void* algorithm, uint64_t workspace, size_t workspaceSize, uint64_t stream) {
  return blas(__func__, [&] {
    int status = readyBlas();
    if (status) return status;
    Product p{};
    objectOf(library.handles, handle, "handle", status);
    if (!status) status = describeProduct(operation, {layoutA, layoutB, layoutC, layoutD}, p);
    if (!status && (!alpha || !beta))
      status = refuseBlas(CUBLAS_STATUS_INVALID_VALUE, "alpha or beta is a null pointer");
    if (status) return status;
    p.alpha = *static_cast<const float*>(alpha), p.beta = *static_cast<const float*>(beta);
    p.a.address = a, p.b.address = b, p.c.address = c, p.d.address = d;
    p.workspace = {workspace, workspaceSize};
    return matmul(p, static_cast<const Algorithm*>(algorithm), stream);
  });
}

const char* cublasLtGetStatusName(int status) { return statusName(status); }
const char* cublasLtGetStatusString(int status) { return statusName(status); }

}  // extern "C"
