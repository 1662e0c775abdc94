// What the kernels on matrix units share after staging: multiplying two tiles and writing the sums. A
// work-group is UNITS_M x UNITS_N units, each of which owns FM x FN fragments of c: ROWS x COLUMNS elements
// per work-group.
#define ROWS (UNITS_M * FM * UNIT_M)
#define COLUMNS (UNITS_N * FN * UNIT_N)
#define A_CHUNKS (ROWS * SLAB_CHUNKS)  // of a tile of either operand
#define B_CHUNKS (COLUMNS * SLAB_CHUNKS)

// sum += a b^T, where a_tile and b_tile begin at this unit's rows and columns: instructions [first, last) of
// the UNIT_STEPS that a slab takes.
static UNIT_INLINE void multiply_steps(const UnitLane unit, UnitC (*sum)[FN], local const uint4* a_tile,
                                       local const uint4* b_tile, const uint first, const uint last) {
#ifndef UNIT_ROLLED
#pragma unroll
#endif
  for (uint step = first; step < last; ++step) {
    UnitA a[FM];
#ifndef UNIT_ROLLED
#pragma unroll
#endif
    for (uint m = 0; m < FM; ++m) a[m] = unit_load_a(unit, a_tile, m * UNIT_M, step);
#ifndef UNIT_ROLLED
#pragma unroll
#endif
    for (uint n = 0; n < FN; ++n) {
      const UnitB b = unit_load_b(unit, b_tile, n * UNIT_N, step);
#ifndef UNIT_ROLLED
#pragma unroll
#endif
      for (uint m = 0; m < FM; ++m) unit_multiply(unit, &sum[m][n], a[m], b);
    }
  }
}

static UNIT_INLINE void clear_sums(UnitC (*sum)[FN]) {
#pragma unroll
  for (uint m = 0; m < FM; ++m)
#pragma unroll
    for (uint n = 0; n < FN; ++n)
#pragma unroll
      for (uint i = 0; i < UNIT_VALUES; ++i) sum[m][n].values[i] = 0.0f;
}

// c[at .. at + 4) = alpha * sums + beta * c, of which the first `count` exist. Types are run-time values:
// they matter once per tile, and programs cost compile time.
UNIT_INLINE void store_four(const UnitOutput out, global void* c, const size_t at, const uint count,
                            local const float* sums) {
  if (count >= 4 && out.quads) {
    float4 value = out.alpha * vload4(0, sums);
    if (out.is_half) {
      if (out.beta != 0.0f)
        value = FMA((float4)(out.beta), vload_half4(0, (global const half*)c + at), value);
      vstore_half4_rte(value, 0, (global half*)c + at);
    } else {
      global float4* to = (global float4*)((global float*)c + at);
      if (out.beta != 0.0f) value = FMA((float4)(out.beta), *to, value);
      *to = value;
    }
    return;
  }
  for (uint i = 0; i < min(count, 4u); ++i) {
    float value = out.alpha * sums[i];
    if (out.is_half) {
      if (out.beta != 0.0f) value = FMA(out.beta, vload_half(at + i, (global const half*)c), value);
      vstore_half_rte(value, at + i, (global half*)c);
    } else {
      if (out.beta != 0.0f) value = FMA(out.beta, ((global const float*)c)[at + i], value);
      ((global float*)c)[at + i] = value;
    }
  }
}

// Writes this unit's sums; row and column are those of its first element in c. They go through local memory
// (what the tiles no longer need), UNIT_M rows at a time: registers can only be told apart by constants, and
// 128 unrolled stores of any type would be larger than the product.
#define OUT_STRIDE (FN * UNIT_N + 8)
#define TILE_BYTES (2 * 16 * (A_CHUNKS + B_CHUNKS))
#define OUT_BYTES (4 * UNITS_M * UNITS_N * UNIT_M * OUT_STRIDE)
#define LOCAL_CHUNKS ((TILE_BYTES > OUT_BYTES ? TILE_BYTES : OUT_BYTES) / 16)
static UNIT_INLINE void store_sums(const UnitLane unit, UnitC (*sum)[FN], const UnitOutput out,
                                   global void* c, const uint row, const uint column, local float* scratch) {
  local float* mine = scratch + unit.group * (UNIT_M * OUT_STRIDE);
#pragma unroll
  for (uint m = 0; m < FM; ++m) {
#pragma unroll
    for (uint n = 0; n < FN; ++n)
#pragma unroll
      for (uint i = 0; i < UNIT_VALUES; ++i)
        mine[unit_row(unit, i) * OUT_STRIDE + n * UNIT_N + unit_column(unit, i)] = sum[m][n].values[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = unit.lane * 4; i < UNIT_M * FN * UNIT_N; i += UNIT_LANES * 4) {
      const uint r = i / (FN * UNIT_N), k = i % (FN * UNIT_N), c_row = row + m * UNIT_M + r,
                 c_column = column + k;
      if (c_row < out.rows && c_column < out.columns)
        store_four(out, c, out.offset + (size_t)c_row * out.stride + c_column, out.columns - c_column,
                   mine + r * OUT_STRIDE + k);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}

// Which tile of c a work-group computes: bands of RASTER tile rows, walked through column by column, so that
// groups that run at the same time share lines of both operands in the cache.
UNIT_INLINE uint2 tile_of(const uint group, const uint row_tiles, const uint column_tiles) {
  const uint band = group / (RASTER * column_tiles), in_band = group % (RASTER * column_tiles);
  const uint height = min((uint)RASTER, row_tiles - band * RASTER);
  return (uint2)(band * RASTER + in_band % height, in_band / height);
}
