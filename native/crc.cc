// Bytes are the coefficients of a polynomial over two elements, and its remainder modulo P of degree 32 is the check. Where the processor
// multiplies such polynomials, 64 bytes are taken at a time: what is there so far is carried across them as 128-bit values times x^512 mod P
// (Gopal et al., Fast CRC Computation for Generic Polynomials Using PCLMULQDQ, Intel 2009). What is left goes by tables, eight bytes a step.
#include "crc.h"

#include <array>
#include <cstring>
#ifdef __PCLMUL__
#include <immintrin.h>
#endif

namespace fb {
namespace {

constexpr uint32_t Polynomial = 0xedb88320;  // the coefficient of x^0 in the highest bit

constexpr std::array<std::array<uint32_t, 256>, 8> makeTables() {
  std::array<std::array<uint32_t, 256>, 8> t{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ Polynomial : c >> 1;
    t[0][i] = c;
  }
  for (int k = 1; k < 8; k++)
    for (int i = 0; i < 256; i++) t[k][i] = t[0][t[k - 1][i] & 255] ^ (t[k - 1][i] >> 8);
  return t;
}
constexpr auto tables = makeTables();

uint32_t byTables(const uint8_t* p, size_t n, uint32_t c) {
  for (; n >= 8; p += 8, n -= 8) {
    uint32_t a, b;
    memcpy(&a, p, 4);
    memcpy(&b, p + 4, 4);
    a ^= c;
    c = tables[7][a & 255] ^ tables[6][a >> 8 & 255] ^ tables[5][a >> 16 & 255] ^ tables[4][a >> 24] ^ tables[3][b & 255] ^
        tables[2][b >> 8 & 255] ^ tables[1][b >> 16 & 255] ^ tables[0][b >> 24];
  }
  for (; n > 0; p++, n--) c = tables[0][(c ^ *p) & 255] ^ (c >> 8);
  return c;
}

#ifdef __PCLMUL__
// x and y as one polynomial: x times the powers in `by` (one for each half), and y.
inline __m128i carry(__m128i x, __m128i by, __m128i y) {
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)), y);
}
inline __m128i at(const uint8_t* p) { return _mm_loadu_si128((const __m128i*)p); }

// n is a multiple of 16, and at least 64.
uint32_t folded(const uint8_t* p, size_t n, uint32_t c) {
  const __m128i by512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);  // x^(512-32), x^(512+32) mod P
  const __m128i by128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);  // x^(128-32), x^(128+32) mod P
  __m128i x0 = _mm_xor_si128(at(p), _mm_cvtsi32_si128((int)c)), x1 = at(p + 16), x2 = at(p + 32), x3 = at(p + 48);
  for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
    x0 = carry(x0, by512, at(p));
    x1 = carry(x1, by512, at(p + 16));
    x2 = carry(x2, by512, at(p + 32));
    x3 = carry(x3, by512, at(p + 48));
  }
  __m128i x = carry(carry(carry(x0, by128, x1), by128, x2), by128, x3);
  for (; n > 0; p += 16, n -= 16) x = carry(x, by128, at(p));
  uint8_t rest[16];
  _mm_storeu_si128((__m128i*)rest, x);
  return byTables(rest, 16, 0);
}
#endif

}  // namespace

uint32_t crc32(const uint8_t* p, size_t n) {
  uint32_t c = ~0u;
#ifdef __PCLMUL__
  if (size_t whole = n / 16 * 16; whole >= 64) {
    c = folded(p, whole, c);
    p += whole;
    n -= whole;
  }
#endif
  return ~byTables(p, n, c);
}

}  // namespace fb
