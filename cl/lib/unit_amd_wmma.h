// AMD RDNA matrix units: v_wmma_f32_16x16x16 with waves of 32 lanes, executed by unit_amd_wmma_builtin.h
// (unit_emulated.h: in software). Fragment layouts: RDNA 3 and RDNA 4 instruction set documents, "Wave matrix
// multiply accumulate".
//   gfx11: lane l holds of a row l % 16 and of b column l % 16, all 16 k (eight words; lanes 16-31 repeat
//          lanes 0-15), of c column l % 16 at rows l / 16, l / 16 + 2, ...
//   gfx12: of a and b k 4 (l / 16) .. + 3 in the first two words and 8 + 4 (l / 16) .. + 3 in the last two,
//          of c column l % 16 at rows 8 (l / 16) .. + 7. k may be renamed as long as a and b agree: a lane
//          takes chunk l / 16 of its line whole, one load, as if it held k 8 (l / 16) .. + 7
// WMMA_GFX12 chooses (unit_amd_gfx11.h, unit_amd_gfx12.h).
#define UNIT_LANES 32
#define UNIT_M 16
#define UNIT_N 16
#define UNIT_STEPS 2
#define UNIT_VALUES 8
#define UNIT_ATTRIBUTES
#define WMMA_CHUNKS (WMMA_GFX12 ? 1 : 2)  // of an operand, per lane

typedef struct {
  uint words[4 * WMMA_CHUNKS];
} UnitA;
typedef UnitA UnitB;
typedef struct {
  float values[UNIT_VALUES];
} UnitC;

UNIT_INLINE UnitA unit_load_a(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  UnitA a;
#pragma unroll
  for (uint i = 0; i < WMMA_CHUNKS; ++i)
    vstore4(slab[slab_from(line, unit.lane % 16, 2 * step + (WMMA_GFX12 ? unit.lane / 16 : i))], i, a.words);
  return a;
}

UNIT_INLINE UnitB unit_load_b(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  return unit_load_a(unit, slab, line, step);
}

UNIT_INLINE void unit_multiply(const UnitLane unit, UnitC* c, const UnitA a, const UnitB b) {
  unit_instruction(unit, c->values, a.words, b.words);
}

UNIT_INLINE uint unit_row(const UnitLane unit, const uint i) {
  return WMMA_GFX12 ? unit.lane / 16 * 8 + i : unit.lane / 16 + 2 * i;
}
UNIT_INLINE uint unit_column(const UnitLane unit, const uint i) {
  (void)i;
  return unit.lane % 16;
}
