// AMD CDNA matrix cores: v_mfma_f32_16x16x16 with waves of 64 lanes. Between the tile and the instruction,
// which unit_amd_mfma_builtin.h executes (unit_emulated.h: in software, for tests without such a device).
// Fragment layout: CDNA instruction set documents, "Matrix fused multiply-add". Lane l holds of a row l % 16
// and of b column l % 16, both at k 4 (l / 16) .. + 3 (two words), and of c column l % 16 at rows 4 (l / 16)
// .. + 3. k may be renamed as long as a and b agree: lane l takes half `step` of chunk l / 16 of its line.
// Both halves are one load once steps are unrolled.
#define UNIT_LANES 64
#define UNIT_M 16
#define UNIT_N 16
#define UNIT_STEPS 2
#define UNIT_VALUES 4
#define UNIT_ATTRIBUTES

typedef struct {
  uint words[2];
} UnitA;
typedef UnitA UnitB;
typedef struct {
  float values[UNIT_VALUES];
} UnitC;

UNIT_INLINE UnitA unit_load_a(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  const uint4 chunk = slab[slab_from(line, unit.lane % 16, unit.lane / 16)];
  const UnitA a = {{step == 0 ? chunk.x : chunk.z, step == 0 ? chunk.y : chunk.w}};
  return a;
}

UNIT_INLINE UnitB unit_load_b(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  return unit_load_a(unit, slab, line, step);
}

UNIT_INLINE void unit_multiply(const UnitLane unit, UnitC* c, const UnitA a, const UnitB b) {
  unit_instruction(unit, c->values, a.words, b.words);
}

UNIT_INLINE uint unit_row(const UnitLane unit, const uint i) { return unit.lane / 16 * 4 + i; }
UNIT_INLINE uint unit_column(const UnitLane unit, const uint i) {
  (void)i;
  return unit.lane % 16;
}
