// What the dense products share: bringing a part of an operand into local memory in k-major order, and
// writing finished sums to c. Helpers take no restrict pointers: inlined, those leave an LLVM marker that
// oclgrind does not know. All dense kernels add up every element of c as one chain of fma over ascending k,
// so that they agree to the last bit (gemm_dot, for few rows on GPUs, is the exception, and says why).

// Four neighbours, ALIGNED 1: at a multiple of 4 elements. vloadn promises no more than the alignment of one
// element, which makes GPUs load them one by one. The caller chooses between whole loops: side by side,
// compilers merge the two loads into the weaker one.
#define LOAD4_0_0(p, at) vload4(0, (p) + (at))
#define LOAD4_0_1(p, at) vload_half4(0, (p) + (at))
#define LOAD4_1_0(p, at) (*(global const float4*)((p) + (at)))
#define LOAD4_1_1(p, at) load_aligned_half4((p) + (at))
#define LOAD4(aligned, is_half) CAT(CAT(CAT(LOAD4_, aligned), _), is_half)
float4 load_aligned_half4(global const half* p) {
  const uint2 bits = *(global const uint2*)p;
  return vload_half4(0, (const half*)&bits);
}

// Defines void NAME(to, from, origin, stride, count, k_count, item, items): to[k * PITCH + j] = from(j, k)
// for all j < WIDTH and k < k_count; lines j >= count become zeros. `to` is in vectors of 4, WIDTH and PITCH
// in elements, both divisible by 4. Work-item `item` of `items` does its share; no barrier inside.
//   BY_LINES: lines j are neighbours in memory (from[k * stride + j]): copied.
//   BY_K:     k are (from[j * stride + k]): transposed in blocks of 4 x 4; a few work-items walk along k
//             together, one alone goes straight on.
#define DEFINE_STAGE_BY_LINES(NAME, ALIGNED, IS_HALF, WIDTH, PITCH)                                 \
  static inline void NAME(local float4* to, global const STORED(IS_HALF)* from, const ulong origin, \
                          const uint stride, const uint count, const uint k_count, const uint item, \
                          const uint items) {                                                       \
    for (uint i = item; i < k_count * (WIDTH / 4); i += items) {                                    \
      const uint k = i / (WIDTH / 4), j = i % (WIDTH / 4) * 4;                                      \
      const ulong at = origin + (ulong)k * stride + j;                                              \
      float4 value = (float4)(0.0f);                                                                \
      if (j + 4 <= count) value = LOAD4(ALIGNED, IS_HALF)(from, at);                                \
      else {                                                                                        \
        if (j < count) value.s0 = LOAD(IS_HALF)(from, at);                                          \
        if (j + 1 < count) value.s1 = LOAD(IS_HALF)(from, at + 1);                                  \
        if (j + 2 < count) value.s2 = LOAD(IS_HALF)(from, at + 2);                                  \
      }                                                                                             \
      to[(k * PITCH + j) / 4] = value;                                                              \
    }                                                                                               \
  }

#define DEFINE_STAGE_BY_K(NAME, ALIGNED, IS_HALF, WIDTH, PITCH)                                         \
  static inline void NAME(local float4* to, global const STORED(IS_HALF)* from, const ulong origin,     \
                          const uint stride, const uint count, const uint k_count, const uint item,     \
                          const uint items) {                                                           \
    const uint k_items = items < 4 ? 1 : 4;                                                             \
    for (uint j = item / k_items * 4; j < WIDTH; j += items / k_items * 4)                              \
      for (uint k = item % k_items * 4; k < k_count; k += k_items * 4) {                                \
        const ulong at = origin + (ulong)j * stride + k;                                                \
        if (j + 4 <= count && k + 4 <= k_count) {                                                       \
          const float4 r0 = LOAD4(ALIGNED, IS_HALF)(from, at),                                          \
                       r1 = LOAD4(ALIGNED, IS_HALF)(from, at + stride);                                 \
          const float4 r2 = LOAD4(ALIGNED, IS_HALF)(from, at + 2 * (ulong)stride),                      \
                       r3 = LOAD4(ALIGNED, IS_HALF)(from, at + 3 * (ulong)stride);                      \
          to[(k * PITCH + j) / 4] = (float4)(r0.s0, r1.s0, r2.s0, r3.s0);                               \
          to[((k + 1) * PITCH + j) / 4] = (float4)(r0.s1, r1.s1, r2.s1, r3.s1);                         \
          to[((k + 2) * PITCH + j) / 4] = (float4)(r0.s2, r1.s2, r2.s2, r3.s2);                         \
          to[((k + 3) * PITCH + j) / 4] = (float4)(r0.s3, r1.s3, r2.s3, r3.s3);                         \
        } else {                                                                                        \
          for (uint n = 0; n < 16; ++n)                                                                 \
            if (k + n / 4 < k_count)                                                                    \
              ((local float*)to)[(k + n / 4) * PITCH + j + n % 4] =                                     \
                  j + n % 4 < count ? LOAD(IS_HALF)(from, at + (ulong)(n % 4) * stride + n / 4) : 0.0f; \
        }                                                                                               \
      }                                                                                                 \
  }

// VW neighbours at any address. PoCL 3.1 puts vload16 and vstore16 together from four moves, which also
// breaks up the shuffles that follow; a vector that is a member of a packed struct is moved as a whole.
#if VW >= 8
typedef struct __attribute__((packed, aligned(4))) {
  FLOATV v;
} UnalignedV;
typedef struct __attribute__((packed, aligned(2))) {
  CAT(ushort, VW) v;
} UnalignedHalfV;
FLOATV load_whole_0(global const void* p, const ulong at) {
  return ((global const UnalignedV*)((global const float*)p + at))->v;
}
FLOATV load_whole_1(global const void* p, const ulong at) {
  const CAT(ushort, VW) bits = ((global const UnalignedHalfV*)((global const half*)p + at))->v;
  return CAT(vload_half, VW)(0, (const half*)&bits);
}
#else
FLOATV load_whole_0(global const void* p, const ulong at) { return LOADV_OF(0)((global const float*)p, at); }
FLOATV load_whole_1(global const void* p, const ulong at) { return LOADV_OF(1)((global const half*)p, at); }
#endif
#define LOAD_WHOLE(is_half) CAT(load_whole_, is_half)
#if VW >= 8 && !C_HALF
#define STORE_WHOLE_C(c, at, value) (((global UnalignedV*)((c) + (at)))->v = (value))
#else
#define STORE_WHOLE_C(c, at, value) STOREV_OF(C_HALF)(c, at, value)
#endif

// c[at .. at + columns) = alpha * sum + beta * c, at most VW elements. beta == 0 does not read c (it may hold
// anything).
void store_scaled(global STORED(C_HALF)* c, const ulong at, const uint columns, const FLOATV sum,
                  const float alpha, const float beta) {
  FLOATV value = alpha * sum;
  if (columns >= VW) {
    if (beta != 0.0f) value = FMA((FLOATV)(beta), LOAD_WHOLE(C_HALF)(c, at), value);
    STORE_WHOLE_C(c, at, value);
  } else {
    float lanes[VW];
    STOREV(lanes, 0, value);
    for (uint i = 0; i < columns; ++i) {
      float lane = lanes[i];
      if (beta != 0.0f) lane = FMA(beta, LOAD(C_HALF)(c, at + i), lane);
      STORE(C_HALF)(c, at + i, lane);
    }
  }
}
