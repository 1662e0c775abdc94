// gemm_dot: y = x w^T for a few rows of x on GPUs, where the time is that of reading w once. LX work-items
// walk along a row of w together, VW neighbouring values each, and add up their products with every row of x;
// then they add their sums in a fixed order. LY rows of w per group. Sums are deterministic but not the chain
// of fma over ascending k that the other dense kernels keep: one work-item per chain would leave a GPU a
// handful of loads in flight.
// Meaning:   A_HALF B_HALF C_HALF 0|1
// Tunables:  VW 4   LX (power of two) LY (group)   MR (rows of x at a time, at most LX)
//            MAX_ROWS (products nt with at most this many rows take this path; 0: none do)
// Needs:     OpenCL C 1.2; local memory 4 * LX * LY * MR bytes.   Launcher: src/ops/gemm.cpp
#define DEFINE_DOTS(NAME, ALIGNED)                                                                    \
  static inline void NAME(float* sum, global const STORED(A_HALF)* a, global const STORED(B_HALF)* b, \
                          const ulong* rows, const ulong from, const uint first, const uint K) {      \
    FLOATV part[MR];                                                                                  \
    _Pragma("unroll") for (uint m = 0; m < MR; ++m) part[m] = (FLOATV)(0.0f);                         \
    uint k = first * VW;                                                                              \
    for (; k + VW <= K; k += LX * VW) {                                                               \
      const FLOATV w = LOAD4(ALIGNED, B_HALF)(b, from + k);                                           \
      _Pragma("unroll") for (uint m = 0; m < MR; ++m)                                                 \
        part[m] = FMA(LOAD4(ALIGNED, A_HALF)(a, rows[m] + k), w, part[m]);                            \
    }                                                                                                 \
    _Pragma("unroll") for (uint m = 0; m < MR; ++m) sum[m] = SUMV(part[m]);                           \
    for (; k < K; ++k)                                                                                \
      _Pragma("unroll") for (uint m = 0; m < MR; ++m)                                                 \
        sum[m] = FMA(LOAD(A_HALF)(a, rows[m] + k), LOAD(B_HALF)(b, from + k), sum[m]);                \
  }
DEFINE_DOTS(dots_0, 0)
DEFINE_DOTS(dots_1, 1)

kernel __attribute__((reqd_work_group_size(LX, LY, 1)))
void gemm_dot(const GemmArgs args, global const STORED(A_HALF)* restrict a,
              global const STORED(B_HALF)* restrict b, global STORED(C_HALF)* restrict c) {
  local float partial[LY][MR][LX];
  const uint lx = get_local_id(0), ly = get_local_id(1), column = get_group_id(0) * LY + ly,
             first_row = get_group_id(1) * MR;
  // Rows and columns past the last repeat it; their sums are not stored.
  const ulong from = args.b_offset + min(column, args.N - 1) * (ulong)args.b_stride;
  ulong rows[MR];
#pragma unroll
  for (uint m = 0; m < MR; ++m)
    rows[m] = args.a_offset + min(first_row + m, args.M - 1) * (ulong)args.a_stride;
  float sum[MR];
  if ((args.a_offset | args.a_stride | args.b_offset | args.b_stride) % 4 == 0)
    dots_1(sum, a, b, rows, from, lx, args.K);
  else dots_0(sum, a, b, rows, from, lx, args.K);
#pragma unroll
  for (uint m = 0; m < MR; ++m) partial[ly][m][lx] = sum[m];
  for (uint half_of = LX / 2; half_of > 0; half_of /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lx < half_of)
#pragma unroll
      for (uint m = 0; m < MR; ++m) partial[ly][m][lx] += partial[ly][m][lx + half_of];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lx < MR && first_row + lx < args.M && column < args.N) {
    const ulong at = args.c_offset + (first_row + lx) * (ulong)args.c_stride + column;
    float value = args.alpha * partial[ly][lx][0];
    if (args.beta != 0.0f) value = FMA(args.beta, LOAD(C_HALF)(c, at), value);
    STORE(C_HALF)(c, at, value);
  }
}
