// Unpacking a part of a packed weight (unpack.h, whose VW must be 1 here) into a tile of unit_tile.h, in two
// halves like unit_stage.h: weight_load brings words, scale and zero points into registers, weight_store
// turns codes into scale * (code - zero_point), exact in fp32, rounds and stores. TRANSPOSED 0: lines are
// output rows and k are input features, as in y = x w^T; 1: the other way, as in dx = dy w. WHOLE 1:
// group_size is a multiple of 32, so that no slab and no run of features leaves its group; 0: scale and zero
// point are looked up for every value. Rows and features past the end repeat existing words: they meet zeros
// of the other operand or are never stored.

// code - zero_point with one addition: a code under the exponent of 2^23 is the float 2^23 + code.
#define CODE_FLOAT(code) as_float(0x4b000000u | (code))
#define ZERO_FLOAT(zero) (8388608.0f + (zero))

// What only the slow way of finding scale and zero point needs.
#define UNUSED_LOOKUP (void)scales, (void)qzeros

// Both as whoever has no register copy gets them.
UNIT_INLINE float one_scale(global const half* scales, const WeightArgs w, const uint row, const uint group) {
  return vload_half(w.scales + scale_start(row, group, w.groups), scales);
}
UNIT_INLINE float one_zero(global const uint* qzeros, const WeightArgs w, const uint row, const uint group) {
  return ZERO_FLOAT(zero_points(qzeros + w.qzeros, row, group, w.groups));
}

// Zero point of row `row` out of the words of its block.
UNIT_INLINE float zero_of(const uint* planes, const uint row) {
  uint zero = 0;
#pragma unroll
  for (uint p = 0; p < BITS; ++p) zero |= (planes[p] >> (row % ROW_BLOCK) & 1u) << p;
  return ZERO_FLOAT((float)zero);
}

UNIT_INLINE uint4 pack_eight(const float* v) {
  return (uint4)(unit_pack(v[0], v[1]), unit_pack(v[2], v[3]), unit_pack(v[4], v[5]), unit_pack(v[6], v[7]));
}

#if !TRANSPOSED
// A task is PIECE neighbouring features (a slab or a part of it) of one row; neighbouring work-items take
// neighbouring rows.
#define WEIGHT_SPAN (COLUMNS * 32 / UNIT_ITEMS)
#if COLUMNS * 32 / (UNITS_M * UNITS_N * UNIT_LANES) >= 32
#define PIECE 32
#else
#define PIECE WEIGHT_SPAN
#endif
#define WEIGHT_TASKS (WEIGHT_SPAN / PIECE)
#if BITS == 3
// Low bits of 16 features in each but the last, which has the high bits.
#define WEIGHT_WORDS (PIECE == 32 ? 3 : 2)
#else
#define WEIGHT_WORDS (PIECE * BITS > 32 ? PIECE * BITS / 32 : 1)
#endif

typedef struct {
  uint words[WEIGHT_WORDS];
  uint zeros[BITS];
  ushort scale;
} HeldWeight;

UNIT_INLINE HeldWeight weight_load(global const uint* qweight, global const half* scales,
                                   global const uint* qzeros, const WeightArgs w, const uint line0,
                                   const uint k0, const uint item, const uint task) {
  UNUSED_LOOKUP;
  const uint i = task * UNIT_ITEMS + item, row = min(line0 + i % COLUMNS, w.padded_rows - 1),
             first = i / COLUMNS * PIECE;
  global const uint* words = qweight + w.qweight + chunk_start(row, k0 / CHUNK, w.chunks);
  HeldWeight held;
#pragma unroll
  for (uint n = 0; n < WEIGHT_WORDS; ++n) {
#if BITS == 3
    held.words[n] = words[(n + 1 == WEIGHT_WORDS ? 2 : first / 16 + n) * ROW_BLOCK];
#else
    held.words[n] = words[(first * BITS / 32 + n) * ROW_BLOCK];
#endif
  }
#if WHOLE
  const uint group = min(k0 / w.group_size, w.groups - 1);
  held.scale = ((global const ushort*)scales)[w.scales + scale_start(row, group, w.groups)];
#pragma unroll
  for (uint p = 0; p < BITS; ++p)
    held.zeros[p] = qzeros[w.qzeros + (row / ROW_BLOCK * w.groups + group) * BITS + p];
#endif
  return held;
}

// Feature i of the piece that begins at feature `first` of its chunk.
UNIT_INLINE uint piece_code(const HeldWeight held, const uint first, const uint i) {
#if BITS == 3
  return (held.words[i / 16] >> (2 * ((first + i) % 16)) & 3u) |
         (held.words[WEIGHT_WORDS - 1] >> (first + i) & 1u) << 2;
#else
  return held.words[i * BITS / 32] >> ((first + i) * BITS % 32) & CODE_MASK;
#endif
}

UNIT_INLINE void weight_store(const HeldWeight held, global const half* scales, global const uint* qzeros,
                              const WeightArgs w, local uint4* tile, const uint line0, const uint k0,
                              const uint item, const uint task) {
  const uint i = task * UNIT_ITEMS + item, line = i % COLUMNS, row = min(line0 + line, w.padded_rows - 1),
             first = i / COLUMNS * PIECE;
#if WHOLE
  UNUSED_LOOKUP;
  (void)k0;
  const float scale = vload_half(0, (const half*)&held.scale), zero = zero_of(held.zeros, row);
#endif
#pragma unroll
  for (uint c = 0; c < PIECE / CHUNK_VALUES; ++c) {
    float v[CHUNK_VALUES];
#pragma unroll
    for (uint n = 0; n < CHUNK_VALUES; ++n) {
#if !WHOLE
      const uint group = min((k0 + first + c * CHUNK_VALUES + n) / w.group_size, w.groups - 1);
      const float scale = one_scale(scales, w, row, group), zero = one_zero(qzeros, w, row, group);
#endif
      v[n] = scale * (CODE_FLOAT(piece_code(held, first, c * CHUNK_VALUES + n)) - zero);
    }
    tile[slab_at(line, first / CHUNK_VALUES + c)] = pack_eight(v);
  }
}

#else
// A task is FEATURES neighbouring features of 8 neighbouring rows: FEATURES chunks. Four work-items share the
// rows of a slab; the order in which they take features lets 8 neighbours write to different banks.
#define WEIGHT_SPAN (COLUMNS * 4 / UNIT_ITEMS)
#if COLUMNS * 4 / (UNITS_M * UNITS_N * UNIT_LANES) >= 4
#define FEATURES 4
#define FEATURE_BIT 1
#elif COLUMNS * 4 / (UNITS_M * UNITS_N * UNIT_LANES) == 2
#define FEATURES 2
#define FEATURE_BIT 2
#else
#define FEATURES 1
#define FEATURE_BIT 3
#endif
#define WEIGHT_TASKS (WEIGHT_SPAN / FEATURES)
#if BITS == 3
#define WEIGHT_WORDS 2
#else
#define WEIGHT_WORDS 1
#endif

typedef struct {
  uint words[WEIGHT_WORDS][8];
  uint zeros[BITS];
  ushort scales[8];
} HeldWeight;

// Eight neighbours in memory, the first at a multiple of eight rows of its block.
#if ALIGNED
#define EIGHT_WORDS(p) (uint8)(*(global const uint4*)(p), *(global const uint4*)((p) + 4))
#define EIGHT_HALVES(p) as_ushort8(*(global const uint4*)(p))
#else
#define EIGHT_WORDS(p) vload8(0, p)
#define EIGHT_HALVES(p) vload8(0, (global const ushort*)(p))
#endif

// First feature of a task within the tile: the work-item's number over four with bits 0 and FEATURE_BIT
// exchanged.
UNIT_INLINE uint task_feature(const uint i) {
  const uint q = i / 4, other = q >> FEATURE_BIT;
  return (((q ^ other) & 1u) * (1u | 1u << FEATURE_BIT) ^ q) * FEATURES;
}

UNIT_INLINE HeldWeight weight_load(global const uint* qweight, global const half* scales,
                                   global const uint* qzeros, const WeightArgs w, const uint line0,
                                   const uint k0, const uint item, const uint task) {
  UNUSED_LOOKUP;
  const uint i = task * UNIT_ITEMS + item, row = k0 + i % 4 * CHUNK_VALUES,
             feature = min(line0 + task_feature(i), w.chunks * CHUNK - FEATURES);
  global const uint* words = qweight + w.qweight + chunk_start(row, feature / CHUNK, w.chunks);
  HeldWeight held;
#if BITS == 3
  vstore8(EIGHT_WORDS(words + feature % CHUNK / 16 * ROW_BLOCK), 0, held.words[0]);
  vstore8(EIGHT_WORDS(words + 2 * ROW_BLOCK), 0, held.words[1]);
#else
  vstore8(EIGHT_WORDS(words + feature % CHUNK * BITS / 32 * ROW_BLOCK), 0, held.words[0]);
#endif
#if WHOLE
  const uint group = min(feature / w.group_size, w.groups - 1);
  vstore8(EIGHT_HALVES(scales + w.scales + scale_start(row, group, w.groups)), 0, held.scales);
#pragma unroll
  for (uint p = 0; p < BITS; ++p)
    held.zeros[p] = qzeros[w.qzeros + (row / ROW_BLOCK * w.groups + group) * BITS + p];
#endif
  return held;
}

UNIT_INLINE uint feature_code(const HeldWeight held, const uint feature, const uint j) {
#if BITS == 3
  return (held.words[0][j] >> (2 * (feature % 16)) & 3u) | (held.words[1][j] >> (feature % CHUNK) & 1u) << 2;
#else
  return held.words[0][j] >> (feature * BITS % 32) & CODE_MASK;
#endif
}

UNIT_INLINE void weight_store(const HeldWeight held, global const half* scales, global const uint* qzeros,
                              const WeightArgs w, local uint4* tile, const uint line0, const uint k0,
                              const uint item, const uint task) {
  const uint i = task * UNIT_ITEMS + item, row = k0 + i % 4 * CHUNK_VALUES,
             feature = min(line0 + task_feature(i), w.chunks * CHUNK - FEATURES);
#if WHOLE
  UNUSED_LOOKUP;
  float scale[8], zero[8];
#pragma unroll
  for (uint j = 0; j < 8; ++j) {
    scale[j] = vload_half(0, (const half*)&held.scales[j]);
    zero[j] = zero_of(held.zeros, row + j);
  }
#endif
#pragma unroll
  for (uint f = 0; f < FEATURES; ++f) {
    float v[CHUNK_VALUES];
#pragma unroll
    for (uint j = 0; j < CHUNK_VALUES; ++j) {
#if WHOLE
      v[j] = scale[j] * (CODE_FLOAT(feature_code(held, feature + f, j)) - zero[j]);
#else
      const uint group = min((feature + f) / w.group_size, w.groups - 1);
      v[j] = one_scale(scales, w, row + j, group) *
             (CODE_FLOAT(feature_code(held, feature + f, j)) - one_zero(qzeros, w, row + j, group));
#endif
    }
    tile[slab_at(task_feature(i) + f, i % 4)] = pack_eight(v);
  }
}
#endif
