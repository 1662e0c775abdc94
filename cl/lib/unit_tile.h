// Tiles of 16-bit numbers in local memory, from which matrix units ("tensor cores") are fed, whatever their
// vendor.
//
// Operands are staged as lines (rows of A, columns of B) of SLAB_K = 32 values along k: four chunks of 8
// values, 16 bytes each. Which k of a slab an instruction takes does not matter as long as both operands
// agree. Chunks are stored in the order of slab_at: pairs of lines share 128 bytes, permuted by the pair's
// number, so that these all touch different banks: the chunks of two neighbouring lines, one chunk of 8
// neighbouring lines (fragment loads; staging from line-contiguous memory), and 8 neighbouring chunks
// (staging from k-contiguous memory).
//
// A vendor header (unit_nv_mma.h, ...) follows this file and defines, for INPUT_BF16 0 (binary16) or 1
// (bfloat16): UNIT_LOADS 1: fragments come by ordinary loads; 2: by the unit's own load instruction, where
// there is one.
//   UNIT_LANES                 work-items that act as one unit: neighbours in the work-group
//   UNIT_M UNIT_N UNIT_STEPS   c[UNIT_M, UNIT_N] += a[UNIT_M, SLAB_K] b[UNIT_N, SLAB_K]^T takes UNIT_STEPS
//   instructions UNIT_ROLLED                (only where private arrays may be indexed at run time) keep loops
//   over instructions UNIT_VALUES                values of c that a lane holds
//   UNIT_ATTRIBUTES            kernel attributes that the unit asks for, or nothing
//   UnitLane                   struct with at least: uint lane, group (which unit of the work-group);
//   UNIT_ENTER(name) declares one UnitA UnitB                fragments: struct with uint words[]; UnitC:
//   struct with float values[UNIT_VALUES] unit_load_a(unit, slab, line, step), unit_load_b(...)
//   what instruction `step` (a constant after unrolling) takes of UNIT_M (UNIT_N) lines
//                              from `line` on, a multiple of UNIT_M (UNIT_N); slab begins at a multiple of 16
//                              lines
//   unit_multiply(unit, UnitC*, UnitA, UnitB)   that instruction
//   unit_row(unit, i), unit_column(unit, i)           where value i of the lane's c stands
//   unit_hardware_lane(unit)   the lane's number as the hardware counts, where it says; else unit.lane
//   unit_pack(low, high)       two floats rounded to nearest even, low in bits 0-15
// All lanes of a work-group call these together.
#define SLAB_K 32u
#define CHUNK_VALUES 8u
#define SLAB_CHUNKS 4u
// Sums live in arrays of registers, which they only do when everything is one function.
#define UNIT_INLINE __attribute__((always_inline))
#define UNIT_ITEMS (UNITS_M * UNITS_N * UNIT_LANES)  // of a work-group, which is one-dimensional

UNIT_INLINE uint slab_at(const uint line, const uint chunk) {
  return (line >> 1) * 8 + (((line & 1) << 2 | chunk) ^ (line >> 1 & 7));
}

// slab_at(first + line, chunk) for a `first` that is known when compiling: the order repeats every 16 lines,
// which compilers do not see.
UNIT_INLINE uint slab_from(const uint first, const uint line, const uint chunk) {
  return (first & ~15u) * SLAB_CHUNKS + slab_at((first & 15u) + line, chunk);
}

UNIT_INLINE uint round_to_f16(const float value) {
  ushort bits;
  vstore_half_rte(value, 0, (half*)&bits);
  return bits;
}

// The upper half of a float's bits, rounded to nearest even; a NaN stays one.
UNIT_INLINE uint round_to_bf16(const float value) {
  const uint bits = as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

#if INPUT_BF16
#define ROUND_TO_INPUT round_to_bf16
#else
#define ROUND_TO_INPUT round_to_f16
#endif
UNIT_INLINE uint portable_pack(const float low, const float high) {
  return ROUND_TO_INPUT(low) | ROUND_TO_INPUT(high) << 16;
}
