// The block VM: a scalar expression as byte code over registers of up to Block lane values that stay in L1.
#pragma once
#include "operand.h"

namespace fb {

// The order of OPCODES in src/backends/cpu/abi.ts.
enum Code : int {
  Neg, Abs, Sign, Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sqrt, Rsqrt, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh,
  Asinh, Acosh, Atanh, Floor, Ceil, Round, Trunc, Erf, Erfc, Erfinv, Lgamma, Digamma, Sigmoid, Reciprocal, IsNan, IsInf,
  LogicalNot, BitwiseNot, Conj, Real, Imag, Angle,
  Add, Sub, Mul, Div, Pow, Maximum, Minimum, Fmod, Remainder, FloorDivide, Atan2, Copysign, Nextafter, Eq, Ne, Lt, Le, Gt, Ge,
  LogicalAnd, LogicalOr, LogicalXor, BitwiseAnd, BitwiseOr, BitwiseXor, ShiftLeft, ShiftRight,
  Where, CodeCount
};
enum Lane : int { LaneF32, LaneF64, LaneI64, LaneC64, LaneC128 };

struct Instr {
  int op, dst, a, b, c;
};

// Registers: inputs, then params, then constants, then temporaries.
struct Program {
  int lane, inputs, params, consts, temps, outs, count;
  bool single;  // one instruction on inputs alone
  double* constants;
  Instr* code;
  int* out;
  int registers() const { return inputs + params + consts + temps; }
};

constexpr i64 Block = 1024;
constexpr int MaxInputs = 24, MaxParams = 64, MaxOuts = 8;
Program* program(int id);

// Runs the code on n <= Block values; r[k] points at register k. Returns a Status.
template <class T> int execute(const Program& p, T** r, i64 n);

// Register memory for one thread, with params and constants filled in.
template <class T> struct Frame {
  T** r;
  T** home;  // where the registers lie unless they are bound to operands
  T* memory;
  Frame(const Program& p, const double* params, i64 n);
};

}  // namespace fb
