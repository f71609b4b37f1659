// D = alpha · op(A) · op(B) + beta · C, read and written at device addresses, so
// a wrong leading dimension meets a guard page.
#include <cstring>
#include <vector>

#include "device.h"

namespace {

uint32_t bits(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

float real(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

float load(const Matrix& m, int64_t index) {
  if (m.type == Type::float32) return reinterpret_cast<const float*>(m.address)[index];
  return real(uint32_t(reinterpret_cast<const uint16_t*>(m.address)[index]) << 16);
}

void store(const Matrix& m, int64_t index, float value) {
  if (m.type == Type::float32) {
    reinterpret_cast<float*>(m.address)[index] = value;
    return;
  }
  uint32_t u = bits(value), even = u + 0x7fff + (u >> 16 & 1);  // to nearest, ties to even
  reinterpret_cast<uint16_t*>(m.address)[index] = uint16_t(value != value ? 0x7fff : even >> 16);
}

// To the 10 bits of fraction that tf32 has: tensor cores do not look at the
// other 13, which is worse than rounding. A NaN may be in those alone.
float toTF32(float value) { return value == value ? real(bits(value) & ~0x1fffu) : value; }

// op(M) of one entry of the batch as rows of float.
std::vector<float> gather(const Matrix& m, int batch, bool transposed, bool tf32) {
  int64_t rows = transposed ? m.columns : m.rows, columns = transposed ? m.rows : m.columns;
  std::vector<float> out(rows * columns);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) {
      float value = load(m, batch * m.stride + (transposed ? m.at(j, i) : m.at(i, j)));
      out[i * columns + j] = tf32 ? toTF32(value) : value;
    }
  return out;
}

// The algorithms sum in other orders, so their results differ in the last bits,
// as the real ones' do: forwards, backwards, four sums in turn.
float dot(const float* a, const float* b, int64_t k, int64_t stride, int algorithm) {
  float sums[4] = {};
  for (int64_t i = 0; i < k; i++) {
    int64_t at = algorithm == 1 ? k - 1 - i : i;
    sums[algorithm == 2 ? i % 4 : 0] += a[at] * b[at * stride];
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

void multiply(const Product& p) {
  memset(reinterpret_cast<void*>(p.workspace.address), poison, p.workspace.size);
  int64_t rows = p.d.rows, columns = p.d.columns, k = p.transposeA ? p.a.rows : p.a.columns;
  for (int batch = 0; batch < p.d.batch; batch++) {
    std::vector<float> a = gather(p.a, batch, p.transposeA, p.tf32), b = gather(p.b, batch, p.transposeB, p.tf32);
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < columns; j++) {
        float value = p.alpha * dot(&a[i * k], &b[j], k, columns, p.algorithm);
        if (p.beta != 0) value += p.beta * load(p.c, batch * p.c.stride + p.c.at(i, j));
        store(p.d, batch * p.d.stride + p.d.at(i, j), value);
      }
  }
}
