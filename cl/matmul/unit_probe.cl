// unit_probe: one unit multiplies one fragment pair, c[UNIT_M, UNIT_N] += a b^T over `slabs` slabs of 32, and
// lays open what its registers held. The smallest program that shows whether a compiler takes a unit's
// instructions, and, with every value distinct, whether they do as documented.
//   a, b       16-bit patterns [slabs][UNIT_M (UNIT_N)][32], binary16 or bfloat16;  c f32 [UNIT_M][UNIT_N],
//   zero beforehand is not needed fragments  u32 [UNIT_LANES][UNIT_STEPS x (words of UnitA, words of UnitB),
//   lane]: of the last slab; lane: the number the hardware gives
//              this work-item
// Meaning:   INPUT_BF16 0|1   UNIT_LOADS 1|2   UNITS_M 1   UNITS_N 1
// Needs:     OpenCL C 1.2 and a unit header; local memory 64 * (UNIT_M + UNIT_N) bytes.
//            Launcher: src/ops/unit_probe.cpp
#define A_WORDS (sizeof(UnitA) / sizeof(uint))
#define B_WORDS (sizeof(UnitB) / sizeof(uint))

kernel __attribute__((reqd_work_group_size(UNIT_ITEMS, 1, 1))) UNIT_ATTRIBUTES
void unit_probe(const UnitProbeArgs args, global const ushort* restrict a, global const ushort* restrict b,
                global float* restrict c, global uint* restrict fragments) {
  local uint4 a_tile[UNIT_M * SLAB_CHUNKS], b_tile[UNIT_N * SLAB_CHUNKS];
  UNIT_ENTER(unit);
  const uint item = get_local_id(0);
  UnitC sum;
#pragma unroll
  for (uint i = 0; i < UNIT_VALUES; ++i) sum.values[i] = 0.0f;
  global uint* mine = fragments + item * (UNIT_STEPS * (A_WORDS + B_WORDS) + 1);
  for (uint slab = 0; slab < args.slabs; ++slab) {
    for (uint i = item; i < UNIT_M * SLAB_CHUNKS; i += UNIT_ITEMS)
      a_tile[slab_at(i / SLAB_CHUNKS, i % SLAB_CHUNKS)] =
          as_uint4(vload8(slab * UNIT_M * SLAB_CHUNKS + i, a));
    for (uint i = item; i < UNIT_N * SLAB_CHUNKS; i += UNIT_ITEMS)
      b_tile[slab_at(i / SLAB_CHUNKS, i % SLAB_CHUNKS)] =
          as_uint4(vload8(slab * UNIT_N * SLAB_CHUNKS + i, b));
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint step = 0; step < UNIT_STEPS; ++step) {
      const UnitA a_fragment = unit_load_a(unit, a_tile, 0, step);
      const UnitB b_fragment = unit_load_b(unit, b_tile, 0, step);
      unit_multiply(unit, &sum, a_fragment, b_fragment);
#pragma unroll
      for (uint i = 0; i < A_WORDS; ++i) mine[step * (A_WORDS + B_WORDS) + i] = a_fragment.words[i];
#pragma unroll
      for (uint i = 0; i < B_WORDS; ++i) mine[step * (A_WORDS + B_WORDS) + A_WORDS + i] = b_fragment.words[i];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (uint i = 0; i < UNIT_VALUES; ++i) c[unit_row(unit, i) * UNIT_N + unit_column(unit, i)] = sum.values[i];
  mine[UNIT_STEPS * (A_WORDS + B_WORDS)] = unit_hardware_lane(unit);
}
