// One optimizer step over one contiguous parameter, in place: a single pass over parameter, gradient and state.
#include "base.h"
#include "pool.h"

namespace fb {
namespace {

struct Adam {
  double decay, coupled, beta1, beta2, eps, stepSize, rootCorrection;  // decay: factor on p; coupled: weight decay added to g
  bool maximize;
};

template <class T, bool Amsgrad>
void adam(const Adam& h, i64 n, const T* __restrict g, T* __restrict p, T* __restrict m, T* __restrict v, T* __restrict vmax) {
  const T decay = (T)h.decay, coupled = (T)h.coupled, b1 = (T)(1 - h.beta1), b2 = (T)h.beta2, c2 = (T)(1 - h.beta2);
  const T eps = (T)h.eps, step = (T)h.stepSize, root = (T)(1 / h.rootCorrection), sign = h.maximize ? T(-1) : T(1);
  for (i64 i = 0; i < n; i++) {
    T x = p[i] * decay;
    T d = g[i] * sign + coupled * x;
    T mi = m[i] + b1 * (d - m[i]);
    T vi = b2 * v[i] + c2 * (d * d);
    m[i] = mi;
    v[i] = vi;
    if constexpr (Amsgrad) vmax[i] = vi = vi > vmax[i] ? vi : vmax[i];
    p[i] = x - step * mi / (std::sqrt(vi) * root + eps);
  }
}

template <class T> void runAdam(const Adam& h, i64 n, void* g, void* p, void* m, void* v, void* vmax) {
  parallelFor(n, 16384, [&](i64 b, i64 e) {
    if (vmax) adam<T, true>(h, e - b, (T*)g + b, (T*)p + b, (T*)m + b, (T*)v + b, (T*)vmax + b);
    else adam<T, false>(h, e - b, (T*)g + b, (T*)p + b, (T*)m + b, (T*)v + b, nullptr);
  });
}

// args: dtype, n, lr, beta1, beta2, eps, weightDecay, step, maximize, decoupled, g, p, m, v, vmax (0: none)
int adamStep(double* ring) {
  Args a(ring);
  int dtype = (int)a.i();
  i64 n = a.i();
  double lr = a.d(), beta1 = a.d(), beta2 = a.d(), eps = a.d(), wd = a.d(), step = a.d();
  bool maximize = a.i() != 0, decoupled = a.i() != 0;
  Adam h{decoupled ? 1 - lr * wd : 1, decoupled ? 0 : wd, beta1, beta2, eps, lr / (1 - std::pow(beta1, step)), std::sqrt(1 - std::pow(beta2, step)), maximize};
  void *g = a.p<void>(), *p = a.p<void>(), *m = a.p<void>(), *v = a.p<void>(), *vmax = a.p<void>();
  if (dtype == F32) runAdam<float>(h, n, g, p, m, v, vmax);
  else if (dtype == F64) runAdam<double>(h, n, g, p, m, v, vmax);
  else return Unsupported;
  return OK;
}

struct Sgd {
  double lr, momentum, dampening, weightDecay;
  bool nesterov, maximize, first;
};

template <class T> void sgd(const Sgd& h, i64 n, const T* __restrict g, T* __restrict p, T* __restrict buffer) {
  const T lr = (T)h.lr, wd = (T)h.weightDecay, sign = h.maximize ? T(-1) : T(1);
  // The first step stores the gradient itself.
  const T keep = h.first ? T(0) : (T)h.momentum, take = h.first ? T(1) : (T)(1 - h.dampening);
  const T ahead = h.nesterov ? (T)h.momentum : T(1), own = h.nesterov ? T(1) : T(0);
  if (!buffer) {
    for (i64 i = 0; i < n; i++) p[i] -= lr * (sign * g[i] + wd * p[i]);
  } else if (h.first) {
    for (i64 i = 0; i < n; i++) {
      T d = sign * g[i] + wd * p[i];
      buffer[i] = d;
      p[i] -= lr * (own * d + ahead * d);
    }
  } else {
    for (i64 i = 0; i < n; i++) {
      T d = sign * g[i] + wd * p[i];
      T b = buffer[i] = keep * buffer[i] + take * d;
      p[i] -= lr * (own * d + ahead * b);
    }
  }
}
template <class T> void runSgd(const Sgd& h, i64 n, void* g, void* p, void* buffer) {
  parallelFor(n, 32768, [&](i64 b, i64 e) { sgd<T>(h, e - b, (T*)g + b, (T*)p + b, buffer ? (T*)buffer + b : nullptr); });
}

// args: dtype, n, lr, momentum, dampening, weightDecay, nesterov, maximize, first, g, p, buffer (0: none)
int sgdStep(double* ring) {
  Args a(ring);
  int dtype = (int)a.i();
  i64 n = a.i();
  Sgd h;
  h.lr = a.d(), h.momentum = a.d(), h.dampening = a.d(), h.weightDecay = a.d();
  h.nesterov = a.i() != 0, h.maximize = a.i() != 0, h.first = a.i() != 0;
  void *g = a.p<void>(), *p = a.p<void>(), *buffer = a.p<void>();
  if (dtype == F32) runSgd<float>(h, n, g, p, buffer);
  else if (dtype == F64) runSgd<double>(h, n, g, p, buffer);
  else return Unsupported;
  return OK;
}
Register r1(OpAdam, adamStep);
Register r2(OpSgd, sgdStep);

}  // namespace
}  // namespace fb
