// Pooling of planes (contract: PoolSpec). Spatial shapes are padded to three dimensions.
#pragma once
#include "base.h"

namespace fb {

struct PoolShape {
  i64 planes, in[3], out[3];
  i64 kernel[3], stride[3], padding[3], dilation[3];
  bool adaptive, countPad;
  double divisor;  // 0: the size of the window
};

// The first maximum of each window and its flat position in the plane; NaN wins, the last one if there are several.
template <class T> void maxPool(const PoolShape& s, const T* x, T* y, i64* index);
template <class T> void avgPool(const PoolShape& s, const T* x, T* y);
template <class T> void avgPoolBackward(const PoolShape& s, const T* gy, T* gx);

}  // namespace fb
