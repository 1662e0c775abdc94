// gemm: c = alpha * A B + beta * c. A work-group computes LY * MR rows by LX * NV * VW columns; it brings KC steps of both operands
// into local memory at a time, k-major, whatever their order in memory. One launch, no workspace: the path of GPUs, and of products
// with few rows on CPUs (LX = LY = 1), where it reads b once.
// Meaning:   A_BY_K 0|1 (1: a is [M, K], 0: [K, M])   B_BY_K 0|1 (1: b is [N, K], 0: [K, N])   A_HALF B_HALF C_HALF 0|1
// Tunables:  VW (vector width)  LX LY (group)  MR NV (rows and vectors a work-item owns; LY * MR and LX * NV * VW divisible by 4)
//            KC (divisible by 4)
// Needs:     OpenCL C 1.2; local memory 4 * KC * (LY * MR + LX * NV * VW) bytes.   Launcher: src/ops/gemm.cpp
#define ROWS (LY * MR)
#define COLUMNS (LX * NV * VW)

#if A_BY_K
DEFINE_STAGE_BY_K(stage_a, local, A_HALF, ROWS)
#else
DEFINE_STAGE_BY_LINES(stage_a, local, A_HALF, ROWS)
#endif
#if B_BY_K
DEFINE_STAGE_BY_K(stage_b, local, B_HALF, COLUMNS)
#else
DEFINE_STAGE_BY_LINES(stage_b, local, B_HALF, COLUMNS)
#endif

kernel __attribute__((reqd_work_group_size(LX, LY, 1)))
void gemm(const GemmArgs args, global const STORED(A_HALF)* restrict a, global const STORED(B_HALF)* restrict b, global STORED(C_HALF)* restrict c) {
  local float a_tile[KC * ROWS];
  local float b_tile[KC * COLUMNS];
  const uint lx = get_local_id(0), ly = get_local_id(1), item = ly * LX + lx;
  const uint row0 = get_group_id(1) * ROWS, column0 = get_group_id(0) * COLUMNS;
  const uint rows = min((uint)ROWS, args.M - row0), columns = min((uint)COLUMNS, args.N - column0);

  FLOATV sum[MR][NV];
#pragma unroll
  for (uint m = 0; m < MR; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) sum[m][v] = (FLOATV)(0.0f);

  for (uint k0 = 0; k0 < args.K; k0 += KC) {
    const uint k_count = min((uint)KC, args.K - k0);
    stage_a(a_tile, a, args.a_offset + (A_BY_K ? (ulong)row0 * args.a_stride + k0 : (ulong)k0 * args.a_stride + row0), args.a_stride, rows,
            k_count, item, LX * LY);
    stage_b(b_tile, b, args.b_offset + (B_BY_K ? (ulong)column0 * args.b_stride + k0 : (ulong)k0 * args.b_stride + column0), args.b_stride,
            columns, k_count, item, LX * LY);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint k = 0; k < k_count; ++k) {
      FLOATV b_values[NV];
      // Neighbouring work-items read neighbouring vectors: no bank conflicts.
#pragma unroll
      for (uint v = 0; v < NV; ++v) b_values[v] = LOADV(b_tile, k * COLUMNS + (v * LX + lx) * VW);
#pragma unroll
      for (uint m = 0; m < MR; ++m) {
        const FLOATV a_value = (FLOATV)(a_tile[k * ROWS + ly * MR + m]);
#pragma unroll
        for (uint v = 0; v < NV; ++v) sum[m][v] = FMA(a_value, b_values[v], sum[m][v]);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  // Through memory, so that the code which stores a vector exists once: unrolled it costs seconds of compile time.
  float sums[MR * NV * VW];
#pragma unroll
  for (uint m = 0; m < MR; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) STOREV(sums, (m * NV + v) * VW, sum[m][v]);
  for (uint i = 0; i < MR * NV; ++i) {
    const uint m = i / NV, v = i % NV, row = row0 + ly * MR + m, column = column0 + (v * LX + lx) * VW;
    if (row < args.M && column < args.N)
      store_scaled(c, args.c_offset + (ulong)row * args.c_stride + column, args.N - column, sums + i * VW, args.alpha, args.beta);
  }
}
