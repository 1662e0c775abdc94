// Tiles of 16-bit numbers in local memory, from which matrix units ("tensor cores") are fed, whatever their vendor.
//
// Operands are staged as lines (rows of A, columns of B) of SLAB_K = 32 values along k: four chunks of 8 values, 16 bytes each. Every unit
// reads whole chunks, and which k a chunk holds does not matter as long as both operands agree. Chunks are stored in the order of slab_at:
// pairs of lines share 128 bytes, permuted by the pair's number, so that these all touch different banks: the chunks of two
// neighbouring lines (fragment loads), one chunk of 8 neighbouring lines (staging from line-contiguous memory), and 8 neighbouring chunks.
//
// A vendor header (unit_nv_mma.h, ...) follows this file and defines, for INPUT_BF16 0 (binary16) or 1 (bfloat16):
//   UNIT_LANES                 work-items that act as one unit: neighbours in the work-group
//   UNIT_M UNIT_N UNIT_STEPS   c[UNIT_M, UNIT_N] += a[UNIT_M, SLAB_K] b[UNIT_N, SLAB_K]^T takes UNIT_STEPS instructions
//   UNIT_VALUES                values of c that a lane holds
//   UNIT_ATTRIBUTES            kernel attributes that the unit asks for, or nothing
//   UnitLane                   struct with at least: uint lane, group (which unit of the work-group); UNIT_ENTER(name) declares one
//   UnitA UnitB                fragments: struct with uint words[]; UnitC: struct with float values[UNIT_VALUES]
//   unit_load_a(unit, slab, line), unit_load_b(...)   fragment of UNIT_M (UNIT_N) lines from `line` on, a multiple of UNIT_M (UNIT_N)
//   unit_multiply(unit, UnitC*, UnitA, UnitB, step)   one instruction, step a constant after unrolling
//   unit_row(unit, i), unit_column(unit, i)           where value i of the lane's c stands
//   unit_pack(low, high)       two floats rounded to nearest even, low in bits 0-15
// All lanes of a work-group call these together.
#define SLAB_K 32u
#define CHUNK_VALUES 8u
#define SLAB_CHUNKS 4u
#define UNIT_ITEMS (UNITS_M * UNITS_N * UNIT_LANES)  // of a work-group, which is one-dimensional

uint slab_at(const uint line, const uint chunk) {
  return (line >> 1) * 8 + (((line & 1) << 2 | chunk) ^ (line >> 1 & 7));
}

uint round_to_f16(const float value) {
  ushort bits;
  vstore_half_rte(value, 0, (half*)&bits);
  return bits;
}

// The upper half of a float's bits, rounded to nearest even; a NaN stays one.
uint round_to_bf16(const float value) {
  const uint bits = as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

#if INPUT_BF16
#define ROUND_TO_INPUT round_to_bf16
#else
#define ROUND_TO_INPUT round_to_f16
#endif
uint portable_pack(const float low, const float high) { return ROUND_TO_INPUT(low) | ROUND_TO_INPUT(high) << 16; }
