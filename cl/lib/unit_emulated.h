// A matrix instruction in software, so that a device without one runs the kernels that are built on it,
// vendor header included: every lane lays its registers open in local memory, and each value of c is summed
// up from where the vendor's manual says its factors are. Slow; for tests. Needs, from the file that
// describes the instruction:
//   UNIT_LANES; EMULATED_K                                   its depth
//   EMULATED_A_WORDS, EMULATED_B_WORDS, EMULATED_C_VALUES    registers per lane
//   EMULATED_A_LANE(row, k), EMULATED_A_HALF(row, k)         lane and 16-bit half (2 * register + upper)
//   EMULATED_B_LANE(column, k), EMULATED_B_HALF(column, k)   that hold a value of a, of b
//   EMULATED_C_ROW(lane, i), EMULATED_C_COLUMN(lane, i)      what register i of a lane's c is
// Loops over instructions stay loops: unrolled barriers cost seconds of compile time each.
#define UNIT_ROLLED
#define EMULATED_WORDS (EMULATED_A_WORDS + EMULATED_B_WORDS)

typedef struct {
  uint lane, group;
  local uint* words;  // of this unit's lanes
} UnitLane;
#define UNIT_ENTER(name)                                      \
  local uint emulated_words[UNIT_ITEMS * EMULATED_WORDS];     \
  const UnitLane name = {(uint)get_local_id(0) % UNIT_LANES, (uint)get_local_id(0) / UNIT_LANES, \
                         emulated_words + get_local_id(0) / UNIT_LANES * (UNIT_LANES * EMULATED_WORDS)}

UNIT_INLINE uint unit_hardware_lane(const UnitLane unit) { return unit.lane; }
UNIT_INLINE uint unit_pack(const float low, const float high) { return portable_pack(low, high); }

UNIT_INLINE float emulated_input(local const uint* words, const uint half_index) {
  const uint bits = words[half_index / 2] >> (half_index % 2 * 16) & 0xffffu;
#if INPUT_BF16
  return as_float(bits << 16);
#else
  const ushort stored = (ushort)bits;
  return vload_half(0, (const half*)&stored);
#endif
}

UNIT_INLINE void emulated_instruction(const UnitLane unit, float* c, const uint* a, const uint* b) {
  local uint* mine = unit.words + unit.lane * EMULATED_WORDS;
  for (uint i = 0; i < EMULATED_A_WORDS; ++i) mine[i] = a[i];
  for (uint i = 0; i < EMULATED_B_WORDS; ++i) mine[EMULATED_A_WORDS + i] = b[i];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint i = 0; i < EMULATED_C_VALUES; ++i) {
    const uint row = EMULATED_C_ROW(unit.lane, i), column = EMULATED_C_COLUMN(unit.lane, i);
    float sum = c[i];
    for (uint k = 0; k < EMULATED_K; ++k)
      sum =
          fma(emulated_input(unit.words + EMULATED_A_LANE(row, k) * EMULATED_WORDS, EMULATED_A_HALF(row, k)),
              emulated_input(unit.words + EMULATED_B_LANE(column, k) * EMULATED_WORDS + EMULATED_A_WORDS,
                             EMULATED_B_HALF(column, k)),
              sum);
    c[i] = sum;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}
