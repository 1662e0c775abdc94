// gemm_packed: dense products on CPUs in two launches. gemm_pack copies the operands into panels, k-major and padded with zeros:
// a into [ceil(M / MR)][K][MR], b into [ceil(N / NR)][K][NR] with NR = NV * VW; gemm_panels then multiplies one panel of each per
// work-item, with MR * NV sums in registers and contiguous vector loads only. a is read where it lies (A_DIRECT) if it is
// f32 and the launcher finds its order bearable: its values are only broadcast, and the copy can cost a fifth of the product. Layouts
// and storage types of packed operands are run-time values: they matter once per panel, and every program more costs compile time.
// Meaning:   C_HALF 0|1   A_DIRECT 0|1
// Tunables:  VW NV MR (register tile, MR divisible by 4)   ROW_BLOCK (row tiles that are walked through before the next panel of b)
// Needs:     OpenCL C 1.2; workspace for the panels.   Launcher: src/ops/gemm.cpp
#define NR (NV * VW)

// PACK_K steps of a few neighbouring panels at a time: source lines and pages are then used up before they leave the cache.
#define PACK_K 64

// Packs share `share` of one operand; one function per operand, since the width of its panels is compiled in.
#define DEFINE_PACK(NAME, WIDTH)                                                                                                         \
  DEFINE_STAGE_BY_LINES(CAT(NAME, _lines_0), global, 0, WIDTH)                                                                           \
  DEFINE_STAGE_BY_LINES(CAT(NAME, _lines_1), global, 1, WIDTH)                                                                           \
  DEFINE_STAGE_BY_K(CAT(NAME, _k_0), global, 0, WIDTH)                                                                                   \
  DEFINE_STAGE_BY_K(CAT(NAME, _k_1), global, 1, WIDTH)                                                                                   \
  static inline void NAME(const GemmPackOperand x, const uint K, const uint share, global const void* from, global float* panels) {      \
    const uint first = share * x.panels_per_item, end = min(first + x.panels_per_item, x.panels);                                        \
    for (uint k = 0; k < K; k += PACK_K)                                                                                                 \
      for (uint panel = first; panel < end; ++panel) {                                                                                   \
        const uint line = panel * WIDTH, count = min((uint)WIDTH, x.count - line), k_count = min((uint)PACK_K, K - k);                   \
        global float* to = panels + x.panels_offset + ((ulong)panel * K + k) * WIDTH;                                                    \
        const ulong origin = x.offset + (x.lines_contiguous ? (ulong)k * x.stride + line : (ulong)line * x.stride + k);                  \
        if (x.lines_contiguous) {                                                                                                        \
          if (x.is_half) CAT(NAME, _lines_1)(to, (global const half*)from, origin, x.stride, count, k_count, 0, 1);                      \
          else CAT(NAME, _lines_0)(to, (global const float*)from, origin, x.stride, count, k_count, 0, 1);                               \
        } else {                                                                                                                         \
          if (x.is_half) CAT(NAME, _k_1)(to, (global const half*)from, origin, x.stride, count, k_count, 0, 1);                          \
          else CAT(NAME, _k_0)(to, (global const float*)from, origin, x.stride, count, k_count, 0, 1);                                   \
        }                                                                                                                                \
      }                                                                                                                                  \
  }

DEFINE_PACK(pack_a, MR)
DEFINE_PACK(pack_b, NR)

// One work-item per share, those of a first.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_pack(const GemmPackArgs args, global const void* restrict a, global const void* restrict b, global float* restrict panels) {
  const uint share = get_group_id(0), a_shares = (args.a.panels + args.a.panels_per_item - 1) / args.a.panels_per_item;
  if (share < a_shares) pack_a(args.a, args.K, share, a, panels);
  else pack_b(args.b, args.K, share - a_shares, b, panels);
}

// Groups: (row tile within its block, panel of b, row block), so that a block of a stays in the cache while b passes by.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_panels(const GemmPanelsArgs args, global const float* restrict a, global const float* restrict panels, global STORED(C_HALF)* restrict c) {
  const uint tile = get_group_id(2) * ROW_BLOCK + get_group_id(0);
  if (tile >= args.row_tiles) return;
#if A_DIRECT
  // Lines past the end repeat the last one; their sums are not stored.
  global const float* lines[MR];
#pragma unroll
  for (uint m = 0; m < MR; ++m) lines[m] = a + args.a_offset + (ulong)min(tile * MR + m, args.M - 1) * args.a_line_step;
  const ulong a_k_step = args.a_k_step;
#define A_VALUE(m) lines[m][k * a_k_step]
#else
  a += args.a_offset + (ulong)tile * args.K * MR;
#define A_VALUE(m) a[k * MR + m]
#endif
  global const float* b = panels + args.b_offset + (ulong)get_group_id(1) * args.K * NR;

  FLOATV sum[MR][NV];
#pragma unroll
  for (uint m = 0; m < MR; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) sum[m][v] = (FLOATV)(0.0f);

  for (ulong k = 0; k < args.K; ++k) {
    FLOATV b_values[NV];
#pragma unroll
    for (uint v = 0; v < NV; ++v) b_values[v] = LOADV(b, k * NR + v * VW);
#pragma unroll
    for (uint m = 0; m < MR; ++m) {
      const FLOATV a_value = (FLOATV)(A_VALUE(m));
#pragma unroll
      for (uint v = 0; v < NV; ++v) sum[m][v] = FMA(a_value, b_values[v], sum[m][v]);
    }
  }

  // Through memory, so that the code which stores a vector exists once: unrolled it costs seconds of compile time.
  float sums[MR * NV * VW];
#pragma unroll
  for (uint m = 0; m < MR; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) STOREV(sums, (m * NV + v) * VW, sum[m][v]);
  for (uint i = 0; i < MR * NV; ++i) {
    const uint m = i / NV, v = i % NV, row = tile * MR + m, column = get_group_id(1) * NR + v * VW;
    if (row < args.M && column < args.N)
      store_scaled(c, args.c_offset + (ulong)row * args.c_stride + column, args.N - column, sums + i * VW, args.alpha, args.beta);
  }
}
