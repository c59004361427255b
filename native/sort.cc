// Sorting and the best k of lines (contracts: SortSpec, TopkSpec). Values become unsigned keys of the same order, NaN the
// greatest, and carry their positions along: a key with its position is one word where both fit, so that any sort is stable.
// Long lines are sorted by digits, least significant first.
#include <algorithm>
#include <vector>

#include "operand.h"
#include "pool.h"

namespace fb {
namespace {

// Keys in whose order the values are: the sign bit turned for integers, all bits of negative floats turned.
inline uint32_t keyOf(float x) {
  float z = x + 0.0f;  // -0 and 0 are equal
  uint32_t u;
  memcpy(&u, &z, 4);
  u ^= (uint32_t)((int32_t)u >> 31) | 0x80000000u;
  return x != x ? ~0u : u;
}
inline uint64_t keyOf(double x) {
  double z = x + 0.0;
  uint64_t u;
  memcpy(&u, &z, 8);
  u ^= (uint64_t)((i64)u >> 63) | 1ull << 63;
  return x != x ? ~0ull : u;
}
inline uint64_t keyOf(i64 x) { return (uint64_t)x ^ 1ull << 63; }

// A key and where it was.
struct Narrow {
  uint64_t word;
  typedef uint32_t Key;
  static Narrow of(uint32_t key, i64 at) { return {(uint64_t)key << 32 | (uint32_t)at}; }
  uint32_t key() const { return (uint32_t)(word >> 32); }
  i64 at() const { return (uint32_t)word; }
  bool operator<(const Narrow& o) const { return word < o.word; }
};
struct Wide {
  uint64_t k;
  i64 position;
  typedef uint64_t Key;
  static Wide of(uint64_t key, i64 at) { return {key, at}; }
  uint64_t key() const { return k; }
  i64 at() const { return position; }
  bool operator<(const Wide& o) const { return k < o.k || (k == o.k && position < o.position); }
};
template <class T> using Entry = std::conditional_t<std::is_same<T, float>::value, Narrow, Wide>;

// By digits of 8 bits; digits that are the same everywhere are skipped. `spare` has room for n.
template <class E> void radixSort(E* data, E* spare, i64 n) {
  constexpr int Digits = sizeof(typename E::Key);
  std::vector<i64> counts(Digits * 256, 0);
  for (i64 i = 0; i < n; i++)
    for (int d = 0; d < Digits; d++) counts[d * 256 + (data[i].key() >> 8 * d & 255)]++;
  E *from = data, *to = spare;
  for (int d = 0; d < Digits; d++) {
    i64* c = &counts[d * 256];
    if (c[from[0].key() >> 8 * d & 255] == n) continue;
    i64 sum = 0;
    for (int v = 0; v < 256; v++) {
      i64 next = sum + c[v];
      c[v] = sum, sum = next;
    }
    for (i64 i = 0; i < n; i++) to[c[from[i].key() >> 8 * d & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != data) memcpy((void*)data, from, n * sizeof(E));
}

// The k least of n, in order. Few of many: most entries are not better than the worst so far and are passed by.
template <class E> void least(E* data, i64 n, i64 k) {
  if (k * 16 > n || k > 512) {
    std::partial_sort(data, data + k, data + n);
    return;
  }
  std::sort(data, data + k);
  for (i64 i = k; i < n; i++) {
    if (!(data[i] < data[k - 1])) continue;
    E e = data[i];
    i64 q = k - 1;
    for (; q > 0 && e < data[q - 1]; q--) data[q] = data[q - 1];
    data[q] = e;
  }
}

template <class T>
void lines(i64 n, i64 k, bool descending, bool all, const Shape& s, const Operand& x, i64 xs, const Operand& v, i64 vs, const Operand& ix, i64 is) {
  typedef Entry<T> E;
  parallelFor(s.numel, 4096 / (n + 1) + 1, [&](i64 b, i64 e) {
    std::vector<T> values(n);
    std::vector<E> entries(n), spare(all && n > 256 ? n : 0);
    for (i64 line = b; line < e; line++) {
      i64 xo = 0, vo = 0, io = 0, rest = line;
      for (int d = s.nd - 1; d >= 0; d--) {
        i64 i = rest % s.n[d];
        rest /= s.n[d];
        xo += i * x.strides[d], vo += i * v.strides[d], io += i * ix.strides[d];
      }
      loadRun(values.data(), x.p, x.dtype, xo, xs, n);
      const typename E::Key turned = descending ? ~(typename E::Key)0 : 0;
      for (i64 i = 0; i < n; i++) entries[i] = E::of(keyOf(values[i]) ^ turned, i);
      if (!all) least(entries.data(), n, k);
      else if (n > 256) radixSort(entries.data(), spare.data(), n);
      else std::sort(entries.begin(), entries.end());
      for (i64 i = 0; i < k; i++) {
        i64 at = entries[i].at();
        storeRun(&values[at], v.p, v.dtype, vo + i * vs, 1, 1);
        ((i64*)ix.p)[io + i * is] = at;
      }
    }
  });
}

// args: all?, n, k, descending, shape of lines, x, x stride, values, stride, indices, stride
int sortRun(double* ring) {
  Args a(ring);
  bool all = a.i() != 0;
  i64 n = a.i(), k = a.i();
  bool desc = a.i() != 0;
  Shape s = readShape(a);
  Operand x = readOperand(a, s);
  i64 xs = a.i();
  Operand v = readOperand(a, s);
  i64 vs = a.i();
  Operand ix = readOperand(a, s);
  i64 is = a.i();
  if (n == 0 || k == 0) return OK;
  if (x.dtype <= I64) lines<i64>(n, k, desc, all, s, x, xs, v, vs, ix, is);
  else if (x.dtype == F64 || n >> 32) lines<double>(n, k, desc, all, s, x, xs, v, vs, ix, is);
  else lines<float>(n, k, desc, all, s, x, xs, v, vs, ix, is);
  return OK;
}
Register reg(OpSort, sortRun);

}  // namespace
}  // namespace fb
