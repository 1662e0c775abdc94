// gemm_rows: y = x w^T for a few rows of x on CPUs, where the time is that of reading w once. A work-item
// owns VW columns of y (rows of w) for all rows of x: it reads VW steps of k of each of its rows of w, turns
// the block over in registers, so that lanes are columns, and adds it to the sums of every row. Nothing is
// written until the sums are complete, so the reads of w never pause.
// Meaning:   B_HALF 0|1   C_HALF 0 (a and c are f32; other products with few rows take the staged path)
// Tunables:  VW 4|8|16   MR (rows of x at a time)   MAX_ROWS (products nt with at most this many rows take
//            this path; 0: none do)
// Needs:     OpenCL C 1.2.   Launcher: src/ops/gemm.cpp

// One step of k for all rows: `column` holds w[n0 .. n0 + VW)[k].
#define ADD_STEP(column, k) \
  _Pragma("unroll") for (uint m = 0; m < MR; ++m) sum[m] = FMA((FLOATV)(a[rows[m] + (k)]), column, sum[m]);

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_rows(const GemmArgs args, global const float* restrict a, global const STORED(B_HALF)* restrict b,
               global float* restrict c) {
  const uint column = get_group_id(0) * VW, columns = min((uint)VW, args.N - column),
             first_row = get_group_id(1) * MR;
  const ulong from = args.b_offset + column * (ulong)args.b_stride;
  // Rows past the last repeat it; their sums are not stored.
  ulong rows[MR];
#pragma unroll
  for (uint m = 0; m < MR; ++m)
    rows[m] = args.a_offset + min(first_row + m, args.M - 1) * (ulong)args.a_stride;
  FLOATV sum[MR];
#pragma unroll
  for (uint m = 0; m < MR; ++m) sum[m] = (FLOATV)(0.0f);

  uint k = 0;
  if (columns == VW) {
    for (; k + VW <= args.K; k += VW) {
      FLOATV block[VW];
#pragma unroll
      for (uint i = 0; i < VW; ++i) block[i] = LOAD_WHOLE(B_HALF)(b, from + i * (ulong)args.b_stride + k);
      TRANSPOSE(block)
#pragma unroll
      for (uint i = 0; i < VW; ++i) {
        ADD_STEP(block[i], k + i)
      }
    }
  }
  for (; k < args.K; ++k) {
    float lanes[VW];
    for (uint i = 0; i < VW; ++i)
      lanes[i] = i < columns ? LOAD(B_HALF)(b, from + i * (ulong)args.b_stride + k) : 0.0f;
    ADD_STEP(LOADV(lanes, 0), k)
  }

  float sums[MR * VW];
#pragma unroll
  for (uint m = 0; m < MR; ++m) STOREV(sums, m * VW, sum[m]);
  for (uint m = 0; m < MR && first_row + m < args.M; ++m)
    store_scaled(c, args.c_offset + (first_row + m) * (ulong)args.c_stride + column, columns,
                 LOADV(sums, m * VW), args.alpha, args.beta);
}
