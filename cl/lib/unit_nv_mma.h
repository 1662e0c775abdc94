// NVIDIA tensor cores: mma.sync.m16n8k16 with fp32 sums, from compute capability 8.0 on. Between the tile and
// the instruction, whose name here is mma_m16n8k16 and which unit_nv_ptx.h executes (unit_nv_emulated.h: in
// software, for tests without such a device). Fragment layout: PTX ISA, "Matrix Fragments for mma.m16n8k16".
// With group = lane / 4 and quad = lane % 4 the instruction wants from a lane
//   a words 0, 1, 2, 3: (row group, k pair quad), (row group + 8, pair quad), (row group, pair quad + 4),
//                       (row group + 8, pair quad + 4)
//   b words 0, 1:       (column group, k pair quad), (column group, pair quad + 4)
// UNIT_LOADS 1: ordinary loads of one word each. 16 bytes of a line at once would be fewer loads (k may be
// renamed as long as a and b agree), but the four words of a must lie in neighbouring registers, and ptxas
// then moved every one of them in front of every instruction. UNIT_LOADS 2: ldmatrix, a quarter of the load
// instructions for the same bytes; it hands a __local pointer to PTX, which is reported to go wrong with some
// drivers. To be used where it passed a self-test of its own.
#define UNIT_LANES 32
#define UNIT_M 16
#define UNIT_N 8
#define UNIT_STEPS 2
#define UNIT_VALUES 4
#define UNIT_ATTRIBUTES

typedef struct {
  uint words[4];
} UnitA;
typedef struct {
  uint words[2];
} UnitB;
typedef struct {
  float values[UNIT_VALUES];
} UnitC;

#if UNIT_LOADS == 2
// ldmatrix: lane l names row l % 8 (a chunk) of matrix l / 8 and receives word quad of row group of every
// matrix, which are the words above.
UNIT_INLINE UnitA unit_load_a(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  UnitA a;
  ldmatrix_x4(unit, a.words, slab + slab_at(unit.lane % 16, 2 * step + unit.lane / 16) + line * SLAB_CHUNKS);
  return a;
}

UNIT_INLINE UnitB unit_load_b(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  UnitB b;
  ldmatrix_x2(unit, b.words,
              slab + slab_at((line & 8u) + unit.lane % 8, 2 * step + unit.lane / 8 % 2) +
                  (line & ~15u) * SLAB_CHUNKS);
  return b;
}
#else
// This lane's word of chunk `chunk` in the 8 lines from `line` on. All lanes' lines share two offsets apart
// from a constant, which stays apart so that it becomes part of the load.
UNIT_INLINE uint lane_word(const UnitLane unit, local const uint4* slab, const uint line, const uint chunk) {
  local const uint* words =
      (local const uint*)slab + (slab_at((line & 8u) + unit.lane / 4, chunk) * 4 + unit.lane % 4);
  return words[(line & ~15u) * (SLAB_CHUNKS * 4)];
}

UNIT_INLINE UnitA unit_load_a(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  const UnitA a = {{lane_word(unit, slab, line, 2 * step), lane_word(unit, slab, line + 8, 2 * step),
                    lane_word(unit, slab, line, 2 * step + 1),
                    lane_word(unit, slab, line + 8, 2 * step + 1)}};
  return a;
}

UNIT_INLINE UnitB unit_load_b(const UnitLane unit, local const uint4* slab, const uint line,
                              const uint step) {
  const UnitB b = {{lane_word(unit, slab, line, 2 * step), lane_word(unit, slab, line, 2 * step + 1)}};
  return b;
}
#endif

UNIT_INLINE void unit_multiply(const UnitLane unit, UnitC* c, const UnitA a, const UnitB b) {
  mma_m16n8k16(unit, c->values, a.words[0], a.words[1], a.words[2], a.words[3], b.words[0], b.words[1]);
}

UNIT_INLINE uint unit_row(const UnitLane unit, const uint i) { return unit.lane / 4 + (i < 2 ? 0 : 8); }
UNIT_INLINE uint unit_column(const UnitLane unit, const uint i) { return unit.lane % 4 * 2 + (i & 1); }
