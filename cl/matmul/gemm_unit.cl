// gemm_unit: c = alpha * A B + beta * c on a matrix unit: operands are rounded to binary16 or bfloat16 while
// they are staged, sums are fp32. Two tiles of each operand: while one is multiplied, the next is on its way
// through registers, a's during the first half and b's during the second, so that only one operand occupies
// registers; one barrier per tile is enough.
// Meaning:   A_BY_K 0|1 (1: a is [M, K], 0: [K, M])   B_BY_K 0|1 (1: b is [N, K], 0: [K, N])
//            A_HALF B_HALF 0|1 INPUT_BF16 0|1   UNIT_LOADS 1|2   ALIGNED 1: operands whose k are neighbours
//            have lines that start at multiples of 16 bytes
// Tunables:  UNITS_M UNITS_N (units of a work-group)  FM FN (fragments of a unit)  RASTER (tile rows of a
//            band); 4 * ROWS and 4 * COLUMNS are multiples of the number of work-items
// Needs:     OpenCL C 1.2 and a unit header; local memory 128 * (ROWS + COLUMNS) bytes.
//            Launcher: src/ops/gemm_unit.cpp
DEFINE_UNIT_STAGE(stage_a, A_BY_K, A_HALF, ROWS)
DEFINE_UNIT_STAGE(stage_b, B_BY_K, B_HALF, COLUMNS)

// The tile that begins at k0, into registers; k ends at `end`.
static UNIT_INLINE void load_a(HELD(A_HALF)* held, global const STORED(A_HALF)* a, const GemmUnitArgs args,
                               const uint lines, const uint k0, const uint end, const uint item) {
  const uint count = min(SLAB_K, end - k0);
  if (count == SLAB_K) {
#pragma unroll
    for (uint t = 0; t < STAGE_TASKS(ROWS); ++t)
      held[t] = stage_a_load(a, args.a_stride, lines, k0, SLAB_K, item, t);
  } else {
#pragma unroll
    for (uint t = 0; t < STAGE_TASKS(ROWS); ++t)
      held[t] = stage_a_load(a, args.a_stride, lines, k0, count, item, t);
  }
}

static UNIT_INLINE void load_b(HELD(B_HALF)* held, global const STORED(B_HALF)* b, const GemmUnitArgs args,
                               const uint lines, const uint k0, const uint end, const uint item) {
  const uint count = min(SLAB_K, end - k0);
  if (count == SLAB_K) {
#pragma unroll
    for (uint t = 0; t < STAGE_TASKS(COLUMNS); ++t)
      held[t] = stage_b_load(b, args.b_stride, lines, k0, SLAB_K, item, t);
  } else {
#pragma unroll
    for (uint t = 0; t < STAGE_TASKS(COLUMNS); ++t)
      held[t] = stage_b_load(b, args.b_stride, lines, k0, count, item, t);
  }
}

// From registers into local memory.
static UNIT_INLINE void store_a(const HELD(A_HALF)* held, local uint4* tile, const uint item) {
#pragma unroll
  for (uint t = 0; t < STAGE_TASKS(ROWS); ++t) stage_a_store(held[t], tile, item, t);
}

static UNIT_INLINE void store_b(const HELD(B_HALF)* held, local uint4* tile, const uint item) {
#pragma unroll
  for (uint t = 0; t < STAGE_TASKS(COLUMNS); ++t) stage_b_store(held[t], tile, item, t);
}

kernel __attribute__((reqd_work_group_size(UNIT_ITEMS, 1, 1))) UNIT_ATTRIBUTES
void gemm_unit(const GemmUnitArgs args, global const STORED(A_HALF)* restrict a,
               global const STORED(B_HALF)* restrict b, global void* restrict c) {
  local uint4 tiles[LOCAL_CHUNKS];
  local uint4* b_tiles = tiles + 2 * A_CHUNKS;
  UNIT_ENTER(unit);
  const uint item = get_local_id(0);
  const uint2 tile = tile_of(get_group_id(0), args.row_tiles, args.column_tiles);
  const uint row0 = tile.x * ROWS, column0 = tile.y * COLUMNS;
  const uint a_lines = args.c.rows - row0, b_lines = args.c.columns - column0;
  const uint unit_row0 = unit.group / UNITS_N * (FM * UNIT_M),
             unit_column0 = unit.group % UNITS_N * (FN * UNIT_N);
  a += args.a_offset + (A_BY_K ? (size_t)row0 * args.a_stride : row0);
  b += args.b_offset + (B_BY_K ? (size_t)column0 * args.b_stride : column0);

  const uint split = get_group_id(1), first = split * args.split_K, end = min(args.K, first + args.split_K);

  UnitC sum[FM][FN];
  clear_sums(sum);
  HELD(A_HALF) a_held[STAGE_TASKS(ROWS)];
  HELD(B_HALF) b_held[STAGE_TASKS(COLUMNS)];
  load_a(a_held, a, args, a_lines, first, end, item);
  load_b(b_held, b, args, b_lines, first, end, item);
  store_a(a_held, tiles, item);
  store_b(b_held, b_tiles, item);
  barrier(CLK_LOCAL_MEM_FENCE);
  uint stage = 0;
  for (uint k0 = first + SLAB_K; k0 < end + SLAB_K; k0 += SLAB_K, stage ^= 1) {
    const bool more = k0 < end;
    local const uint4 *a_now = tiles + (stage * A_CHUNKS + unit_row0 * SLAB_CHUNKS),
                      *b_now = b_tiles + (stage * B_CHUNKS + unit_column0 * SLAB_CHUNKS);
    if (more) load_a(a_held, a, args, a_lines, k0, end, item);
    multiply_steps(unit, sum, a_now, b_now, 0, UNIT_STEPS / 2);
    if (more) {
      store_a(a_held, tiles + (stage ^ 1) * A_CHUNKS, item);
      load_b(b_held, b, args, b_lines, k0, end, item);
    }
    multiply_steps(unit, sum, a_now, b_now, UNIT_STEPS / 2, UNIT_STEPS);
    if (more) store_b(b_held, b_tiles + (stage ^ 1) * B_CHUNKS, item);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  UnitOutput out = args.c;
  out.offset += split * out.rows * out.stride;
  store_sums(unit, sum, out, c, row0 + unit_row0, column0 + unit_column0, (local float*)tiles);
}
