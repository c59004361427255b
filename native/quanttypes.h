// The block types of quantised weights (src/kernel/quant has them in full) as kernels read them. A unit is 256 weights of a row:
// eight groups of 32. Weight i of a group with scale s, minimum m is s (q_i - offset) - m, q unsigned bytes.
// A type says how to get at scales and quants of a unit; products and decoding are the same for all (quant.cc).
#pragma once
#include "bytes.h"

namespace fb {
namespace quant {

inline float half(const uint8_t* p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return f16ToF32(h);
}

// Types of blocks of 32. Quants are below 128 when they are `Small`.
template <int Id, int Bytes, int Offset, bool Affine, bool Small> struct Simple {
  static constexpr int id = Id, size = 32, bytes = Bytes, offset = Offset, per = 32;
  static constexpr bool affine = Affine, small = Small;
  static void scales(const uint8_t* u, float* s, float* m) {
    store8(s, halves(u, Bytes));
    if (Affine) store8(m, -halves(u + 2, Bytes));
  }
};
struct Q4_0 : Simple<2, 18, 8, false, true> {
  static B32 quants(const uint8_t* u, int g) { return nibbles(u + g * bytes + 2); }
};
struct Q4_1 : Simple<3, 20, 0, true, true> {
  static B32 quants(const uint8_t* u, int g) { return nibbles(u + g * bytes + 4); }
};
struct Q5_0 : Simple<6, 22, 16, false, true> {
  static B32 quants(const uint8_t* u, int g) { return nibbles(u + g * bytes + 6) | (spread(u + g * bytes + 2) & 16); }
};
struct Q5_1 : Simple<7, 24, 0, true, true> {
  static B32 quants(const uint8_t* u, int g) { return nibbles(u + g * bytes + 8) | (spread(u + g * bytes + 4) & 16); }
};
struct Q8_0 : Simple<8, 34, 128, false, false> {
  static B32 quants(const uint8_t* u, int g) { return load32(u + g * bytes + 2) ^ 128; }
};

// Indices of sixteen levels, moved up by `offset`.
constexpr B16 Uneven = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
constexpr B16 E2M1 = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
struct IQ4_NL : Simple<20, 18, 128, false, false> {
  static B32 quants(const uint8_t* u, int g) { return lookup(Uneven, nibbles(u + g * bytes + 2)); }
};
struct MXFP4 : Simple<39, 17, 12, false, true> {
  static void scales(const uint8_t* u, float* s, float*) {
    // Half of 2^(e - 127), subnormal where e is below 2.
    I32x8 e = {u[0], u[bytes], u[2 * bytes], u[3 * bytes], u[4 * bytes], u[5 * bytes], u[6 * bytes], u[7 * bytes]}, few = e < 2;
    store8(s, (F32x8)((few & (0x200000 << (e & 1))) | (~few & (e - 1) << 23)));
  }
  static B32 quants(const uint8_t* u, int g) { return lookup(E2M1, nibbles(u + g * bytes + 1)); }
};

// Super-blocks of 256: a unit is one.
template <int Id, int Bytes, int Offset, int Per, bool Affine, bool Small> struct Super {
  static constexpr int id = Id, size = 256, bytes = Bytes, offset = Offset, per = Per;
  static constexpr bool affine = Affine, small = Small;
};
// Six-bit scales and minima of eight groups in twelve bytes, as words of four: the upper bits of the last four are the tops of the first eight.
inline void sixBits(const uint8_t* p, float d, float dmin, float* s, float* m) {
  uint32_t a, b, c;
  memcpy(&a, p, 4), memcpy(&b, p + 4, 4), memcpy(&c, p + 8, 4);
  uint64_t scales = (c & 0x0f0f0f0f) | (a >> 6 & 0x03030303) << 4, mins = (c >> 4 & 0x0f0f0f0f) | (b >> 6 & 0x03030303) << 4;
  store8(s, d * floats((a & 0x3f3f3f3f) | scales << 32));
  store8(m, dmin * floats((b & 0x3f3f3f3f) | mins << 32));
}
struct Q4_K : Super<12, 144, 0, 32, true, true> {
  static void scales(const uint8_t* u, float* s, float* m) { sixBits(u + 4, half(u), half(u + 2), s, m); }
  static B32 quants(const uint8_t* u, int g) {
    B32 q = held(load32(u + 16 + 32 * (g >> 1)));
    return shift(q, 4 * (g & 1), 15);
  }
};
struct Q5_K : Super<13, 176, 0, 32, true, true> {
  static void scales(const uint8_t* u, float* s, float* m) { sixBits(u + 4, half(u), half(u + 2), s, m); }
  static B32 quants(const uint8_t* u, int g) {
    B32 q = load32(u + 48 + 32 * (g >> 1));
    return shift(q, 4 * (g & 1), 15) | shift(load32(u + 16), g - 4, 16);
  }
};
struct Q6_K : Super<14, 210, 32, 16, false, true> {
  static void scales(const uint8_t* u, float* s, float*) {
    float d = half(u + 208);
    store8(s, d * signedFloats(u + 192)), store8(s + 8, d * signedFloats(u + 200));
  }
  static B32 quants(const uint8_t* u, int g) {
    B32 q = held(load32(u + 64 * (g >> 2) + 32 * (g & 1)));
    return shift(q, 2 * (g & 2), 15) | shift(load32(u + 128 + 32 * (g >> 2)), 2 * (g & 3) - 4, 48);
  }
};
struct Q2_K : Super<10, 84, 0, 16, true, true> {
  static void scales(const uint8_t* u, float* s, float* m) {
    float d = half(u + 80), dmin = half(u + 82);
    for (int g = 0; g < 16; g++) s[g] = d * (float)(u[g] & 15), m[g] = dmin * (float)(u[g] >> 4);
  }
  static B32 quants(const uint8_t* u, int g) { return shift(load32(u + 16 + 32 * (g >> 2)), 2 * (g & 3), 3); }
};
struct Q3_K : Super<11, 110, 4, 16, false, true> {
  static void scales(const uint8_t* u, float* s, float*) {
    float d = half(u + 108);
    const uint8_t* p = u + 96;
    for (int g = 0; g < 16; g++) s[g] = d * (float)(((p[g & 7] >> 4 * (g >> 3) & 15) | (p[8 + (g & 3)] >> 2 * (g >> 2) & 3) << 4) - 32);
  }
  static B32 quants(const uint8_t* u, int g) {
    return shift(load32(u + 32 + 32 * (g >> 2)), 2 * (g & 3), 3) | shift(load32(u), g - 2, 4);
  }
};
struct IQ4_XS : Super<23, 136, 128, 32, false, false> {
  static void scales(const uint8_t* u, float* s, float*) {
    float d = half(u);
    int high = u[2] | u[3] << 8;
    for (int g = 0; g < 8; g++) s[g] = d * (float)(((u[4 + g / 2] >> 4 * (g & 1) & 15) | (high >> 2 * g & 3) << 4) - 32);
  }
  static B32 quants(const uint8_t* u, int g) { return lookup(Uneven, nibbles(u + 8 + 16 * g)); }
};

}  // namespace quant
}  // namespace fb
