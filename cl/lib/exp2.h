// After lib/common.h, needs VW: 2^x for x <= 0 as softmax needs it, and the larger of two vectors.
//
// CPUs (wide vectors): x = n + f with n whole and |f| <= 1/2; 2^f is a polynomial of degree 6 whose
// coefficients were fitted to the least relative error (2e-9) with the first fixed at 1, evaluated in f32:
// off by at most 1.4 * 2^-24 relatively. 2^n goes into the exponent's bits. Below -127 the result is 0
// exactly (also for -infinity), between -127 and -126 it is some number below 2^-126. PoCL's own exp looks
// its values up in tables, lane by lane. GPUs have an instruction for 2^x: there the built-in function is
// taken.
#define LOG2_E 1.44269504f
#define LN_2 0.693147181f

#if VW >= 8
// Comparisons instead of fmax: they become one instruction.
FLOATV larger(FLOATV a, FLOATV b) { return a > b ? a : b; }

FLOATV exp2_of_negative(FLOATV x) {
  const FLOATV bounded = larger(x, -127.0f);
  const FLOATV shifted = bounded + 0x1.8p23f;  // its last bits are n
  const FLOATV f = bounded - (shifted - 0x1.8p23f);
  FLOATV p = FMA(f, (FLOATV)(0x1.41fbbcp-13f), (FLOATV)(0x1.5f3e54p-10f));
  p = FMA(f, p, (FLOATV)(0x1.3b2d4cp-7f));
  p = FMA(f, p, (FLOATV)(0x1.c6aee8p-5f));
  p = FMA(f, p, (FLOATV)(0x1.ebfbdcp-3f));
  p = FMA(f, p, (FLOATV)(0x1.62e43p-1f));
  p = FMA(f, p, (FLOATV)(1.0f));
  return CAT(as_float, VW)(CAT(as_int, VW)(p) + (CAT(as_int, VW)(shifted) << 23));
}
#else
FLOATV larger(FLOATV a, FLOATV b) { return fmax(a, b); }
FLOATV exp2_of_negative(FLOATV x) { return exp2(x); }
#endif
