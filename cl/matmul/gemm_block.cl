// gemm_block: dense products on CPUs. A work-item computes a block of c, TILES * MR rows by NR = NV * VW
// columns. It brings KC steps of both operands into its own cache (b k-major, a in the order it has; or it
// reads a where it lies), then multiplies tile after tile of MR rows with MR * NV sums in registers; sums
// wait in memory for the next KC steps. One launch, no workspace: what is packed is used at once, by the core
// that packed it, and each operand passes through memory once per block row or column. The panel of b (KC *
// NR floats) should fit the first-level cache, everything together the second.
// Meaning:   A_BY_K 0|1 (1: a is [M, K], 0: [K, M])   B_BY_K 0|1 (1: b is [N, K], 0: [K, N])   C_HALF 0|1
//            A_DIRECT 0|1 (1: a is f32, M is at least MR, and a is not copied)
// Tunables:  VW 4|8|16   NV MR (register tile)   TILES (of MR rows in a block)   KC (divisible by VW)
//            MIN_ROWS (products with at least this many rows take this path; 0: none do)
// Needs:     OpenCL C 1.2; local memory 4 * (KC * (TILES * MR + NR) + TILES * MR * NR) bytes.
//            Launcher: src/ops/gemm.cpp
// The storage types of a and b are run-time values: they matter while staging only, and every program more
// costs compile time.
#define ROWS (TILES * MR)
#define NR (NV * VW)

#define LOAD_STORED_0(p, i) LOAD(0)((global const float*)(p), i)
#define LOAD_STORED_1(p, i) LOAD(1)((global const half*)(p), i)

// Copies `lines` x `length` values that are contiguous along a line: to[line * WIDTH + i]. Vectors may go
// past `length` as long as they stay below `available`; what is left up to `padded` becomes zeros.
#define DEFINE_COPY_LINES(NAME, IS_HALF, WIDTH)                                                              \
  static inline void NAME(local FLOATV* to, global const void* from, const ulong origin, const ulong stride, \
                          const uint lines, const uint length, const uint available, const uint padded) {    \
    for (uint line = 0; line < lines; ++line) {                                                              \
      const ulong at = origin + line * stride;                                                               \
      uint i = 0;                                                                                            \
      for (; i < length && i + VW <= available; i += VW)                                                     \
        to[(line * WIDTH + i) / VW] = LOAD_WHOLE(IS_HALF)(from, at + i);                                     \
      for (; i < length; ++i)                                                                                \
        ((local float*)to)[line * WIDTH + i] = CAT(LOAD_STORED_, IS_HALF)(from, at + i);                     \
      for (; i < padded; ++i) ((local float*)to)[line * WIDTH + i] = 0.0f;                                   \
    }                                                                                                        \
  }

// Lines of K become columns: to[k * WIDTH + line] for all line < WIDTH; lines past `lines` become zeros.
#define DEFINE_TRANSPOSE_LINES(NAME, IS_HALF, WIDTH)                                                         \
  static inline void NAME(local FLOATV* to, global const void* from, const ulong origin, const ulong stride, \
                          const uint lines, const uint length) {                                             \
    for (uint line = 0; line < WIDTH; line += VW)                                                            \
      for (uint k = 0; k < length; k += VW) {                                                                \
        const ulong at = origin + line * stride + k;                                                         \
        if (line + VW <= lines && k + VW <= length) {                                                        \
          FLOATV block[VW];                                                                                  \
          _Pragma("unroll") for (uint i = 0; i < VW; ++i)                                                    \
            block[i] = LOAD_WHOLE(IS_HALF)(from, at + i * stride);                                           \
          TRANSPOSE(block)                                                                                   \
          _Pragma("unroll") for (uint i = 0; i < VW; ++i) to[((k + i) * WIDTH + line) / VW] = block[i];      \
        } else {                                                                                             \
          for (uint i = 0; i < VW; ++i)                                                                      \
            for (uint j = k; j < min(k + VW, length); ++j)                                                   \
              ((local float*)to)[j * WIDTH + line + i] =                                                     \
                  line + i < lines ? CAT(LOAD_STORED_, IS_HALF)(from, at + i * stride + j - k) : 0.0f;       \
        }                                                                                                    \
      }                                                                                                      \
  }

#if B_BY_K
DEFINE_TRANSPOSE_LINES(stage_b_0, 0, NR)
DEFINE_TRANSPOSE_LINES(stage_b_1, 1, NR)
#define STAGE_B(is_half)                                                                                \
  CAT(stage_b_, is_half)(b_tile, b, args.b_offset + column0 * (ulong)args.b_stride + k0, args.b_stride, \
                         columns, k_count)
#else
DEFINE_COPY_LINES(stage_b_0, 0, NR)
DEFINE_COPY_LINES(stage_b_1, 1, NR)
#define STAGE_B(is_half)                                                                                \
  CAT(stage_b_, is_half)(b_tile, b, args.b_offset + k0 * (ulong)args.b_stride + column0, args.b_stride, \
                         k_count, columns, columns, NR)
#endif

#if A_DIRECT
#define A_SPACE global
#else
// Its lines are as long as the tile is wide, and one vector longer where they would else meet in the same
// sets of the cache.
#define A_SPACE local
#if A_BY_K
#define A_LINE (KC + VW)
#define A_LINES ROWS
#else
#define A_LINE ((ROWS + VW - 1) / VW * VW)
#define A_LINES KC
#endif
DEFINE_COPY_LINES(copy_a_0, 0, A_LINE)
DEFINE_COPY_LINES(copy_a_1, 1, A_LINE)

// Rows up to the next multiple of MR exist in a_tile; those past the last are zeros or whatever else a has
// there.
static inline void stage_a(local FLOATV* a_tile, global const void* a, const GemmBlockArgs args,
                           const uint row0, const uint rows, const uint k0, const uint k_count) {
  const uint padded = (rows + MR - 1) / MR * MR;
#if A_BY_K
  const ulong origin = args.a_offset + row0 * (ulong)args.a_stride + k0;
  if (args.a_half) copy_a_1(a_tile, a, origin, args.a_stride, rows, k_count, k_count, k_count);
  else copy_a_0(a_tile, a, origin, args.a_stride, rows, k_count, k_count, k_count);
  for (uint row = rows; row < padded; ++row)
    for (uint k = 0; k < k_count; ++k) ((local float*)a_tile)[row * A_LINE + k] = 0.0f;
#else
  const ulong origin = args.a_offset + k0 * (ulong)args.a_stride + row0;
  if (args.a_half) copy_a_1(a_tile, a, origin, args.a_stride, k_count, rows, args.M - row0, padded);
  else copy_a_0(a_tile, a, origin, args.a_stride, k_count, rows, args.M - row0, padded);
#endif
}
#endif

// Where a tile's finished sums go.
typedef struct {
  ulong at, stride;
  float alpha, beta;
} Destination;

// sums[MR][NR] (= or +=) the products of MR rows with b_tile; a points to the first row at the first k,
// a_line is the distance of rows (A_BY_K) or of k. Every sum is one chain of fma over ascending k. With
// `whole` the sums are finished, and c has room for all of them.
static inline void multiply_tile(A_SPACE const float* a, const ulong a_line, const local FLOATV* b_tile,
                                 local FLOATV* sums, const uint k_count, const bool first, const bool whole,
                                 global STORED(C_HALF)* c, const Destination to) {
  FLOATV sum[MR][NV];
#pragma unroll
  for (uint m = 0; m < MR; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) sum[m][v] = first ? (FLOATV)(0.0f) : sums[m * NV + v];
  for (ulong k = 0; k < k_count; ++k) {
    FLOATV b_values[NV];
#pragma unroll
    for (uint v = 0; v < NV; ++v) b_values[v] = b_tile[k * NV + v];
#pragma unroll
    for (uint m = 0; m < MR; ++m) {
      const FLOATV a_value = (FLOATV)(A_BY_K ? a[m * a_line + k] : a[k * a_line + m]);
#pragma unroll
      for (uint v = 0; v < NV; ++v) sum[m][v] = FMA(a_value, b_values[v], sum[m][v]);
    }
  }
  if (!C_HALF && whole) {
#pragma unroll
    for (uint m = 0; m < MR; ++m)
#pragma unroll
      for (uint v = 0; v < NV; ++v)
        store_scaled(c, to.at + m * to.stride + v * VW, VW, sum[m][v], to.alpha, to.beta);
    return;
  }
#pragma unroll
  for (uint m = 0; m < MR; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) sums[m * NV + v] = sum[m][v];
}

// Groups: (block of rows within a stretch of them, panel of b, stretch): the blocks of one stretch of a use a
// panel of b one after the other while it and they are in the last-level cache.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_block(const GemmBlockArgs args, global const void* restrict a, global const void* restrict b,
                global STORED(C_HALF)* restrict c) {
#if !A_DIRECT
  local FLOATV a_tile[A_LINES * A_LINE / VW];
#endif
  local FLOATV b_tile[KC * NV];
  local FLOATV sums[ROWS * NV];
  const uint row0 = (get_group_id(2) * get_num_groups(0) + get_group_id(0)) * args.block_rows,
             column0 = get_group_id(1) * NR;
  if (row0 >= args.M) return;
  const uint rows = min(args.block_rows, args.M - row0), columns = min((uint)NR, args.N - column0);
  for (uint k0 = 0; k0 < args.K; k0 += KC) {
    const uint k_count = min((uint)KC, args.K - k0);
    if (args.b_half) STAGE_B(1);
    else STAGE_B(0);
#if !A_DIRECT
    stage_a(a_tile, a, args, row0, rows, k0, k_count);
#endif
    const bool last = k0 + KC >= args.K;
    for (uint row = 0; row < rows; row += MR) {
      // Straight from registers where all of the tile is inside c. (Half results are not: that code,
      // unrolled, takes seconds to compile.)
      const bool whole = last && !C_HALF && columns == NR && row + MR <= rows;
      const Destination to = {args.c_offset + (ulong)(row0 + row) * args.c_stride + column0, args.c_stride,
                              args.alpha, args.beta};
      local FLOATV* tile = sums + row * NV;
#if A_DIRECT
      // The last tile of a begins earlier instead of going past the end: it computes again what is not stored
      // again.
      const uint again = row0 + row + MR > args.M ? row0 + row + MR - args.M : 0;
      const ulong first_row = row0 + row - again;
      multiply_tile((global const float*)a + args.a_offset +
                        (A_BY_K ? first_row * args.a_stride + k0 : k0 * (ulong)args.a_stride + first_row),
                    args.a_stride, b_tile, tile, k_count, k0 == 0, whole, c, to);
#else
      const uint again = 0;
      multiply_tile((const local float*)a_tile + row * (A_BY_K ? A_LINE : 1), A_LINE, b_tile, tile, k_count,
                    k0 == 0, whole, c, to);
#endif
      if (!last || whole) continue;
      for (uint i = again; i < MR && row + i - again < rows; ++i)
        for (uint v = 0; v * VW < columns; ++v)
          store_scaled(c, to.at + (i - again) * (ulong)args.c_stride + v * VW, columns - v * VW,
                       tile[i * NV + v], args.alpha, args.beta);
    }
  }
}
