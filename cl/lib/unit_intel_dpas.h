// Intel's matrix engines (XMX) by intel_sub_group_*_matrix_mad_k16 with eight rows, executed by
// unit_intel_dpas_builtin.h (unit_emulated.h: in software). Fragment layout:
// cl_intel_subgroup_matrix_multiply_accumulate. Lane l of a sub-group holds of c and b column l: eight rows
// of c, all 16 k of b (eight words), and of a in register m, row m: k 2l and 2l + 1 with sub-groups of 8
// lanes (DG2), k l with 16 lanes (PVC, Battlemage). SUB_GROUP is the device's least sub-group size, 8 or 16:
// the width that the instruction has there.
#define UNIT_LANES SUB_GROUP
#define UNIT_M 8
#define UNIT_N SUB_GROUP
#define UNIT_STEPS 2
#define UNIT_VALUES 8
#define DPAS_A_WORDS (64 / SUB_GROUP)  // of a lane, per instruction

typedef struct {
  uint words[DPAS_A_WORDS];
} UnitA;
typedef struct {
  uint words[8];
} UnitB;
typedef struct {
  float values[UNIT_VALUES];
} UnitC;

UNIT_INLINE UnitA unit_load_a(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  UnitA a;
#if SUB_GROUP == 8
  local const uint* words = (local const uint*)slab;
#pragma unroll
  for (uint m = 0; m < 8; ++m)
    a.words[m] = words[4 * slab_from(line, m, 2 * step + unit.lane / 4) + unit.lane % 4];
#else
  local const ushort* halves = (local const ushort*)slab;
#pragma unroll
  for (uint m = 0; m < 4; ++m)
    a.words[m] = halves[8 * slab_from(line, 2 * m, 2 * step + unit.lane / 8) + unit.lane % 8] |
                 (uint)halves[8 * slab_from(line, 2 * m + 1, 2 * step + unit.lane / 8) + unit.lane % 8] << 16;
#endif
  return a;
}

UNIT_INLINE UnitB unit_load_b(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  UnitB b;
  vstore4(slab[slab_from(line, unit.lane, 2 * step)], 0, b.words);
  vstore4(slab[slab_from(line, unit.lane, 2 * step + 1)], 1, b.words);
  return b;
}

UNIT_INLINE void unit_multiply(const UnitLane unit, UnitC* c, const UnitA a, const UnitB b) {
  unit_instruction(unit, c->values, a.words, b.words);
}

UNIT_INLINE uint unit_row(const UnitLane unit, const uint i) {
  (void)unit;
  return i;
}
UNIT_INLINE uint unit_column(const UnitLane unit, const uint i) {
  (void)i;
  return unit.lane;
}
