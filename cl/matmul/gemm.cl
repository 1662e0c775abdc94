// gemm: c = alpha * A B + beta * c. A work-group computes LY * MR rows by LX * NV * VW columns. It brings KC
// steps of both operands into local memory at a time, k-major, whatever their order in memory. One launch, no
// workspace: the path of GPUs, and of products with few rows on CPUs (LX = LY = 1), where it reads b once.
// On a GPU a step of k costs a work-item MR / 4 + NV vector reads of local memory for MR * NV * VW
// multiply-adds, so its tile must be large (8 x 8): with 4 x 4, reads take as long as the arithmetic of a
// whole warp. Reads are 16 bytes, aligned: neighbours in x read neighbouring vectors of b and the same vector
// of a, which is a broadcast; lines are four values longer than the tile, so that the transposing stores of
// neighbours fall into different banks.
// Meaning:   A_BY_K 0|1 (1: a is [M, K], 0: [K, M])   B_BY_K 0|1 (1: b is [N, K], 0: [K, N])
//            A_HALF B_HALF C_HALF 0|1
// Tunables:  VW (vector width)  LX LY (group)  MR (divisible by 4) NV (rows and vectors a work-item owns; LX
//            * NV * VW divisible by 4) KC (divisible by 4)
// Needs:     OpenCL C 1.2; local memory 4 * KC * (LY * MR + LX * NV * VW + 8) bytes.
//            Launcher: src/ops/gemm.cpp
#define ROWS (LY * MR)
#define COLUMNS (LX * NV * VW)
#define A_PITCH (ROWS + 4)
#define B_PITCH (COLUMNS + 4)

#if A_BY_K
DEFINE_STAGE_BY_K(stage_a_0, 0, A_HALF, ROWS, A_PITCH)
DEFINE_STAGE_BY_K(stage_a_1, 1, A_HALF, ROWS, A_PITCH)
#else
DEFINE_STAGE_BY_LINES(stage_a_0, 0, A_HALF, ROWS, A_PITCH)
DEFINE_STAGE_BY_LINES(stage_a_1, 1, A_HALF, ROWS, A_PITCH)
#endif
#if B_BY_K
DEFINE_STAGE_BY_K(stage_b_0, 0, B_HALF, COLUMNS, B_PITCH)
DEFINE_STAGE_BY_K(stage_b_1, 1, B_HALF, COLUMNS, B_PITCH)
#else
DEFINE_STAGE_BY_LINES(stage_b_0, 0, B_HALF, COLUMNS, B_PITCH)
DEFINE_STAGE_BY_LINES(stage_b_1, 1, B_HALF, COLUMNS, B_PITCH)
#endif

// VW values from element i of a tile on; i is divisible by 4.
#if VW == 4
#define LOAD_TILE(tile, i) ((tile)[(i) / 4])
#else
#define LOAD_TILE(tile, i) LOADV((const local float*)(tile), i)
#endif

kernel __attribute__((reqd_work_group_size(LX, LY, 1)))
void gemm(const GemmArgs args, global const STORED(A_HALF)* restrict a,
          global const STORED(B_HALF)* restrict b, global STORED(C_HALF)* restrict c) {
  local float4 a_tile[KC * A_PITCH / 4];
  local float4 b_tile[KC * B_PITCH / 4];
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
    const ulong a_from =
        args.a_offset + (A_BY_K ? (ulong)row0 * args.a_stride + k0 : (ulong)k0 * args.a_stride + row0);
    const ulong b_from =
        args.b_offset + (B_BY_K ? (ulong)column0 * args.b_stride + k0 : (ulong)k0 * args.b_stride + column0);
    if ((args.a_offset | args.a_stride) % 4 == 0)
      stage_a_1(a_tile, a, a_from, args.a_stride, rows, k_count, item, LX * LY);
    else stage_a_0(a_tile, a, a_from, args.a_stride, rows, k_count, item, LX * LY);
    if ((args.b_offset | args.b_stride) % 4 == 0)
      stage_b_1(b_tile, b, b_from, args.b_stride, columns, k_count, item, LX * LY);
    else stage_b_0(b_tile, b, b_from, args.b_stride, columns, k_count, item, LX * LY);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint k = 0; k < k_count; ++k) {
      FLOATV b_values[NV];
#pragma unroll
      for (uint v = 0; v < NV; ++v) b_values[v] = LOAD_TILE(b_tile, k * B_PITCH + (v * LX + lx) * VW);
#pragma unroll
      for (uint m = 0; m < MR; m += 4) {
        const float4 a_values = a_tile[(k * A_PITCH + ly * MR + m) / 4];
#pragma unroll
        for (uint v = 0; v < NV; ++v) {
          sum[m][v] = FMA((FLOATV)(a_values.s0), b_values[v], sum[m][v]);
          sum[m + 1][v] = FMA((FLOATV)(a_values.s1), b_values[v], sum[m + 1][v]);
          sum[m + 2][v] = FMA((FLOATV)(a_values.s2), b_values[v], sum[m + 2][v]);
          sum[m + 3][v] = FMA((FLOATV)(a_values.s3), b_values[v], sum[m + 3][v]);
        }
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

#if VW == 4
#pragma unroll
  for (uint m = 0; m < MR; ++m) {
#pragma unroll
    for (uint v = 0; v < NV; ++v) {
      const uint row = row0 + ly * MR + m, column = column0 + (v * LX + lx) * VW;
      if (row < args.M && column < args.N)
        store_scaled(c, args.c_offset + (ulong)row * args.c_stride + column, args.N - column, sum[m][v],
                     args.alpha, args.beta);
    }
  }
#else
  // Through memory, so that the code which stores a vector exists once: unrolled it costs seconds of compile
  // time.
  float sums[MR * NV * VW];
#pragma unroll
  for (uint m = 0; m < MR; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) STOREV(sums, (m * NV + v) * VW, sum[m][v]);
  for (uint i = 0; i < MR * NV; ++i) {
    const uint m = i / NV, v = i % NV, row = row0 + ly * MR + m, column = column0 + (v * LX + lx) * VW;
    if (row < args.M && column < args.N)
      store_scaled(c, args.c_offset + (ulong)row * args.c_stride + column, args.N - column,
                   LOADV(sums, i * VW), args.alpha, args.beta);
  }
#endif
}
