// qgemm_unit: y = x dequant(w)^T + t B^T (TRANSPOSED 0) or dx = dy dequant(w) + t A (1) on a matrix unit. The
// weight is unpacked while it is staged; the LoRA factor follows as further steps of k. Pipelined like
// gemm_unit.cl.
// Meaning:   BITS 2|3|4|8   WHOLE 1: group_size is a multiple of 32   TRANSPOSED 0|1   X_HALF 0|1
//            INPUT_BF16 0|1   UNIT_LOADS 1|2   VW 1 ALIGNED 1: lines of x and t, blocks of words and blocks
//            of scales start at multiples of 16 bytes
// Tunables:  UNITS_M UNITS_N (units of a work-group)  FM FN (fragments of a unit)  RASTER (tile rows of a
//            band); 4 * ROWS and 4 * COLUMNS are multiples of the number of work-items
// Needs:     OpenCL C 1.2 and a unit header; local memory 128 * (ROWS + COLUMNS) bytes.
//            Launcher: src/ops/qgemm_unit.cpp
DEFINE_UNIT_STAGE(stage_x, 1, X_HALF, ROWS)
DEFINE_UNIT_STAGE(stage_t, 1, 0, ROWS)
DEFINE_UNIT_STAGE(stage_lora, 0, 1, COLUMNS)

static UNIT_INLINE void load_x(HELD(X_HALF)* held, global const STORED(X_HALF)* x, const QgemmUnitArgs args,
                               const uint lines, const uint k0, const uint item) {
  const uint count = min(SLAB_K, args.K - k0);
  if (count == SLAB_K) {
#pragma unroll
    for (uint n = 0; n < STAGE_TASKS(ROWS); ++n)
      held[n] = stage_x_load(x, args.x_stride, lines, k0, SLAB_K, item, n);
  } else {
#pragma unroll
    for (uint n = 0; n < STAGE_TASKS(ROWS); ++n)
      held[n] = stage_x_load(x, args.x_stride, lines, k0, count, item, n);
  }
}

static UNIT_INLINE void store_x(const HELD(X_HALF)* held, local uint4* tile, const uint item) {
#pragma unroll
  for (uint n = 0; n < STAGE_TASKS(ROWS); ++n) stage_x_store(held[n], tile, item, n);
}

#define LOAD_WEIGHT(k0)                   \
  for (uint n = 0; n < WEIGHT_TASKS; ++n) \
  w_held[n] = weight_load(qweight, scales, qzeros, args.w, column0, k0, item, n)
#define STORE_WEIGHT(k0, tile)            \
  for (uint n = 0; n < WEIGHT_TASKS; ++n) \
  weight_store(w_held[n], scales, qzeros, args.w, tile, column0, k0, item, n)

kernel __attribute__((reqd_work_group_size(UNIT_ITEMS, 1, 1))) UNIT_ATTRIBUTES
void qgemm_unit(const QgemmUnitArgs args, global const uint* restrict qweight,
                global const half* restrict scales, global const uint* restrict qzeros,
                global const STORED(X_HALF)* restrict x, global const float* restrict t,
                global const half* restrict lora, global void* restrict c) {
  local uint4 tiles[LOCAL_CHUNKS];
  local uint4* w_tiles = tiles + 2 * A_CHUNKS;
  UNIT_ENTER(unit);
  const uint item = get_local_id(0);
  const uint2 tile = tile_of(get_group_id(0), args.row_tiles, args.column_tiles);
  const uint row0 = tile.x * ROWS, column0 = tile.y * COLUMNS;
  const uint x_lines = args.c.rows - row0, w_lines = args.c.columns - column0;
  const uint unit_row0 = unit.group / UNITS_N * (FM * UNIT_M),
             unit_column0 = unit.group % UNITS_N * (FN * UNIT_N);
  x += args.x_offset + (size_t)row0 * args.x_stride;

  UnitC sum[FM][FN];
  clear_sums(sum);
  HELD(X_HALF) x_held[STAGE_TASKS(ROWS)];
  HeldWeight w_held[WEIGHT_TASKS];
  load_x(x_held, x, args, x_lines, 0, item);
#pragma unroll
  LOAD_WEIGHT(0);
  store_x(x_held, tiles, item);
#pragma unroll
  STORE_WEIGHT(0, w_tiles);
  barrier(CLK_LOCAL_MEM_FENCE);
  uint stage = 0;
  for (uint k0 = SLAB_K; k0 < args.K + SLAB_K; k0 += SLAB_K, stage ^= 1) {
    const bool more = k0 < args.K;
    local const uint4 *x_now = tiles + (stage * A_CHUNKS + unit_row0 * SLAB_CHUNKS),
                      *w_now = w_tiles + (stage * B_CHUNKS + unit_column0 * SLAB_CHUNKS);
    if (more) load_x(x_held, x, args, x_lines, k0, item);
    multiply_steps(unit, sum, x_now, w_now, 0, UNIT_STEPS / 2);
    if (more) {
      store_x(x_held, tiles + (stage ^ 1) * A_CHUNKS, item);
#pragma unroll
      LOAD_WEIGHT(k0);
    }
    multiply_steps(unit, sum, x_now, w_now, UNIT_STEPS / 2, UNIT_STEPS);
    if (more) {
#pragma unroll
      STORE_WEIGHT(k0, w_tiles + (stage ^ 1) * B_CHUNKS);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  // A few slabs only: not pipelined.
  t += args.t_offset + (size_t)row0 * args.t_stride;
  lora += args.lora_offset + column0;
  for (uint r0 = 0; r0 < args.rank; r0 += SLAB_K) {
    const uint count = min(SLAB_K, args.rank - r0);
#pragma unroll
    for (uint n = 0; n < STAGE_TASKS(ROWS); ++n)
      stage_t_store(stage_t_load(t, args.t_stride, x_lines, r0, count, item, n), tiles, item, n);
#pragma unroll
    for (uint n = 0; n < STAGE_TASKS(COLUMNS); ++n)
      stage_lora_store(stage_lora_load(lora, args.lora_stride, w_lines, r0, count, item, n), w_tiles, item,
                       n);
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply_steps(unit, sum, tiles + unit_row0 * SLAB_CHUNKS, w_tiles + unit_column0 * SLAB_CHUNKS, 0,
                   UNIT_STEPS);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  store_sums(unit, sum, args.c, c, row0 + unit_row0, column0 + unit_column0, (local float*)tiles);
}
