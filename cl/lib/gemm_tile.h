// What both dense products share: bringing a part of an operand into k-major order, and writing finished sums to c.
// Both kernels add up every element of c as one chain of fma over ascending k, so that they agree to the last bit.

// Defines void NAME(to, width, from, origin, stride, count, k_count, item, items): to[k * width + j] = from(j, k) for all j < width,
// k < k_count; lines j >= count become zeros. Work-item `item` of `items` does its share; no barrier inside.
//   BY_LINES: lines j are contiguous in memory (from[k * stride + j]); otherwise k is (from[j * stride + k]).
// Loads and stores go by VW where they can; the rest of a line goes one by one.
#define DEFINE_STAGE_BY_LINES(NAME, SPACE, IS_HALF)                                                                             \
  static inline void NAME(SPACE float* restrict to, const uint width, global const STORED(IS_HALF)* restrict from, const ulong origin, \
                   const uint stride, const uint count, const uint k_count, const uint item, const uint items) {                \
    const uint blocks = (width + VW - 1) / VW;                                                                                  \
    for (uint i = item; i < k_count * blocks; i += items) {                                                                     \
      const uint k = i / blocks, j = i % blocks * VW;                                                                           \
      const ulong at = origin + (ulong)k * stride + j;                                                                          \
      if (j + VW <= min(count, width)) {                                                                                        \
        STOREV(to, k * width + j, LOADV_OF(IS_HALF)(from, at));                                                                 \
      } else {                                                                                                                  \
        for (uint n = 0; n < min((uint)VW, width - j); ++n) to[k * width + j + n] = j + n < count ? LOAD(IS_HALF)(from, at + n) : 0.0f; \
      }                                                                                                                         \
    }                                                                                                                           \
  }

#define DEFINE_STAGE_BY_K(NAME, SPACE, IS_HALF)                                                                                 \
  static inline void NAME(SPACE float* restrict to, const uint width, global const STORED(IS_HALF)* restrict from, const ulong origin, \
                   const uint stride, const uint count, const uint k_count, const uint item, const uint items) {                \
    const uint blocks = (k_count + VW - 1) / VW;                                                                                \
    for (uint i = item; i < width * blocks; i += items) {                                                                       \
      const uint j = i / blocks, k = i % blocks * VW;                                                                           \
      const ulong at = origin + (ulong)j * stride + k;                                                                          \
      if (j < count && k + VW <= k_count) {                                                                                     \
        float values[VW];                                                                                                       \
        STOREV(values, 0, LOADV_OF(IS_HALF)(from, at));                                                                         \
        for (uint n = 0; n < VW; ++n) to[(k + n) * width + j] = values[n];                                                      \
      } else {                                                                                                                  \
        for (uint n = 0; n < min((uint)VW, k_count - k); ++n) to[(k + n) * width + j] = j < count ? LOAD(IS_HALF)(from, at + n) : 0.0f; \
      }                                                                                                                         \
    }                                                                                                                           \
  }

// c[at .. at + columns) = alpha * sums + beta * c, at most VW elements. beta == 0 does not read c (it may hold anything).
static inline void store_scaled(global STORED(C_HALF)* restrict c, const ulong at, const uint columns, const float* sums, const float alpha,
                                const float beta) {
  if (columns >= VW) {
    FLOATV value = alpha * LOADV(sums, 0);
    if (beta != 0.0f) value = FMA((FLOATV)(beta), LOADV_OF(C_HALF)(c, at), value);
    STOREV_OF(C_HALF)(c, at, value);
  } else {
    for (uint i = 0; i < columns; ++i) {
      float value = alpha * sums[i];
      if (beta != 0.0f) value = FMA(beta, LOAD(C_HALF)(c, at + i), value);
      STORE(C_HALF)(c, at + i, value);
    }
  }
}
