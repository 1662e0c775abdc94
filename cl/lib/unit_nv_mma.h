// NVIDIA tensor cores: mma.sync.m16n8k16 with fp32 sums, from compute capability 8.0 on. Between the tile and the instruction, whose
// name here is mma_m16n8k16 and which unit_nv_ptx.h executes (unit_nv_emulated.h: in software, for tests without such a device).
// Fragment layout: PTX ISA, "Matrix Fragments for mma.m16n8k16". With group = lane / 4 and quad = lane % 4 the instruction wants from a lane
//   a words 0, 1, 2, 3: (row group, k pair quad), (row group + 8, pair quad), (row group, pair quad + 4), (row group + 8, pair quad + 4)
//   b words 0, 1:       (column group, k pair quad), (column group, pair quad + 4)
// k may be renamed as long as a and b agree: a lane reads chunk `quad` of its lines, 16 bytes at once, and its four pairs serve as pairs
// quad and quad + 4 of two instructions. That makes ldmatrix, which moves the same bytes per cycle, unnecessary.
#define UNIT_LANES 32
#define UNIT_M 16
#define UNIT_N 8
#define UNIT_STEPS 2
#define UNIT_VALUES 4
#define UNIT_ATTRIBUTES

typedef struct {
  uint words[8];  // chunk quad of row group, then of row group + 8
} UnitA;
typedef struct {
  uint words[4];
} UnitB;
typedef struct {
  float values[UNIT_VALUES];
} UnitC;

UnitA unit_load_a(const UnitLane unit, local const uint4* slab, const uint line) {
  const uint4 upper = slab[slab_at(line + unit.lane / 4, unit.lane % 4)], lower = slab[slab_at(line + unit.lane / 4 + 8, unit.lane % 4)];
  const UnitA a = {{upper.x, upper.y, upper.z, upper.w, lower.x, lower.y, lower.z, lower.w}};
  return a;
}

UnitB unit_load_b(const UnitLane unit, local const uint4* slab, const uint line) {
  const uint4 chunk = slab[slab_at(line + unit.lane / 4, unit.lane % 4)];
  const UnitB b = {{chunk.x, chunk.y, chunk.z, chunk.w}};
  return b;
}

void unit_multiply(const UnitLane unit, UnitC* c, const UnitA a, const UnitB b, const uint step) {
  mma_m16n8k16(unit, c->values, a.words[2 * step], a.words[4 + 2 * step], a.words[2 * step + 1], a.words[5 + 2 * step], b.words[2 * step],
               b.words[2 * step + 1]);
}

uint unit_row(const UnitLane unit, const uint i) { return unit.lane / 4 + (i < 2 ? 0 : 8); }
uint unit_column(const UnitLane unit, const uint i) { return unit.lane % 4 * 2 + (i & 1); }
