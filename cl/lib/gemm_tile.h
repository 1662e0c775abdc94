// What both dense products share: bringing a part of an operand into k-major order, and writing finished sums to c.
// Helpers take no restrict pointers: inlined, those leave an LLVM marker that oclgrind does not know.
// Both kernels add up every element of c as one chain of fma over ascending k, so that they agree to the last bit.

#define LOAD4_0(p, i) vload4(0, (p) + (i))
#define LOAD4_1(p, i) vload_half4(0, (p) + (i))
#define LOAD4(is_half) CAT(LOAD4_, is_half)

// Defines void NAME(to, from, origin, stride, count, k_count, item, items): to[k * WIDTH + j] = from(j, k) for all j < WIDTH and
// k < k_count; lines j >= count become zeros. Work-item `item` of `items` does its share; no barrier inside.
//   BY_LINES: lines j are neighbours in memory (from[k * stride + j]): copied VW at a time, 4 at a time where VW does not fit.
//   BY_K:     k are (from[j * stride + k]): transposed in blocks of 4 x 4; a few work-items walk along k together, one alone goes straight on.
#define DEFINE_STAGE_BY_LINES(NAME, SPACE, IS_HALF, WIDTH)                                                                               \
  static inline void NAME(SPACE float* to, global const STORED(IS_HALF)* from, const ulong origin, const uint stride, \
                          const uint count, const uint k_count, const uint item, const uint items) {                                    \
    const uint blocks = (WIDTH + VW - 1) / VW;                                                                                           \
    for (uint i = item; i < k_count * blocks; i += items) {                                                                              \
      const uint k = i / blocks, j = i % blocks * VW;                                                                                    \
      const ulong at = origin + (ulong)k * stride + j;                                                                                   \
      if (j + VW <= min(count, (uint)WIDTH)) {                                                                                           \
        STOREV(to, k * WIDTH + j, LOADV_OF(IS_HALF)(from, at));                                                                          \
      } else {                                                                                                                           \
        for (uint n = j; n < min(j + VW, (uint)WIDTH); n += 4) {                                                                         \
          if (n + 4 <= count) vstore4(LOAD4(IS_HALF)(from, at + n - j), 0, to + k * WIDTH + n);                                          \
          else                                                                                                                           \
            for (uint l = n; l < n + 4; ++l) to[k * WIDTH + l] = l < count ? LOAD(IS_HALF)(from, at + l - j) : 0.0f;                     \
        }                                                                                                                                \
      }                                                                                                                                  \
    }                                                                                                                                    \
  }

#define DEFINE_STAGE_BY_K(NAME, SPACE, IS_HALF, WIDTH)                                                                                   \
  static inline void NAME(SPACE float* to, global const STORED(IS_HALF)* from, const ulong origin, const uint stride, \
                          const uint count, const uint k_count, const uint item, const uint items) {                                    \
    const uint k_items = items < 4 ? 1 : 4;                                                                                              \
    for (uint j = item / k_items * 4; j < WIDTH; j += items / k_items * 4) for (uint k = item % k_items * 4; k < k_count; k += k_items * 4) { \
      const ulong at = origin + (ulong)j * stride + k;                                                                                   \
      if (j + 4 <= count && k + 4 <= k_count) {                                                                                          \
        const float4 r0 = LOAD4(IS_HALF)(from, at), r1 = LOAD4(IS_HALF)(from, at + stride);                                              \
        const float4 r2 = LOAD4(IS_HALF)(from, at + 2 * (ulong)stride), r3 = LOAD4(IS_HALF)(from, at + 3 * (ulong)stride);               \
        vstore4((float4)(r0.s0, r1.s0, r2.s0, r3.s0), 0, to + k * WIDTH + j);                                                            \
        vstore4((float4)(r0.s1, r1.s1, r2.s1, r3.s1), 0, to + (k + 1) * WIDTH + j);                                                      \
        vstore4((float4)(r0.s2, r1.s2, r2.s2, r3.s2), 0, to + (k + 2) * WIDTH + j);                                                      \
        vstore4((float4)(r0.s3, r1.s3, r2.s3, r3.s3), 0, to + (k + 3) * WIDTH + j);                                                      \
      } else {                                                                                                                           \
        for (uint n = 0; n < 16; ++n)                                                                                                    \
          if (k + n / 4 < k_count)                                                                                                       \
            to[(k + n / 4) * WIDTH + j + n % 4] = j + n % 4 < count ? LOAD(IS_HALF)(from, at + (ulong)(n % 4) * stride + n / 4) : 0.0f;  \
      }                                                                                                                                  \
    }                                                                                                                                    \
  }

// c[at .. at + columns) = alpha * sums + beta * c, at most VW elements. beta == 0 does not read c (it may hold anything).
static inline void store_scaled(global STORED(C_HALF)* c, const ulong at, const uint columns, const float* sums, const float alpha,
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
