// Bringing a part of a dense operand into a tile of unit_tile.h in two halves, so that the loads of the next
// part are under way while the present one is multiplied: NAME_load into registers, NAME_store (rounding to
// the unit's input type) into local memory. A work-item moves TASKS chunks: 8 values along k of one line.
//   BY_K 1:  k are neighbours in memory (from[line * stride + k]); neighbouring work-items take neighbouring
//   chunks BY_K 0:  lines are (from[k * stride + line]); neighbouring work-items take neighbouring lines
// Lines past `lines` repeat the last one: their products are never stored. k past the end become zeros.
// Positions fit 32 bits: launchers see to that.
// ALIGNED: every line starts at a multiple of 16 bytes (BY_K only).
#define HELD_0 float8
#define HELD_1 uint4
#define HELD(is_half) CAT(HELD_, is_half)

// Eight neighbours in memory.
UNIT_INLINE float8 load_held_0(global const float* p) {
#if ALIGNED
  return (float8)(*(global const float4*)p, *(global const float4*)(p + 4));
#else
  return vload8(0, p);
#endif
}
UNIT_INLINE uint4 load_held_1(global const half* p) {
#if ALIGNED
  return *(global const uint4*)p;
#else
  return as_uint4(vload8(0, (global const ushort*)p));
#endif
}

// Eight values `step` apart, of which the first `count` exist; the others become zeros.
#define ONE_0(p, i, step, count) ((i) < (count) ? (p)[(i) * (step)] : 0.0f)
UNIT_INLINE float8 gather_held_0(global const float* p, const uint step, const uint count) {
  return (float8)(ONE_0(p, 0, step, count), ONE_0(p, 1, step, count), ONE_0(p, 2, step, count),
                  ONE_0(p, 3, step, count), ONE_0(p, 4, step, count), ONE_0(p, 5, step, count),
                  ONE_0(p, 6, step, count), ONE_0(p, 7, step, count));
}
#define ONE_1(p, i, step, count) ((i) < (count) ? (uint)((global const ushort*)(p))[(i) * (step)] : 0u)
UNIT_INLINE uint4 gather_held_1(global const half* p, const uint step, const uint count) {
  return (uint4)(ONE_1(p, 0, step, count) | ONE_1(p, 1, step, count) << 16,
                 ONE_1(p, 2, step, count) | ONE_1(p, 3, step, count) << 16,
                 ONE_1(p, 4, step, count) | ONE_1(p, 5, step, count) << 16,
                 ONE_1(p, 6, step, count) | ONE_1(p, 7, step, count) << 16);
}

UNIT_INLINE uint4 chunk_of_0(const float8 v) {
  return (uint4)(unit_pack(v.s0, v.s1), unit_pack(v.s2, v.s3), unit_pack(v.s4, v.s5), unit_pack(v.s6, v.s7));
}
#if INPUT_BF16
UNIT_INLINE uint repack(const uint pair) {
  const ushort low = (ushort)pair, high = (ushort)(pair >> 16);
  return unit_pack(vload_half(0, (const half*)&low), vload_half(0, (const half*)&high));
}
UNIT_INLINE uint4 chunk_of_1(const uint4 v) {
  return (uint4)(repack(v.x), repack(v.y), repack(v.z), repack(v.w));
}
#else
UNIT_INLINE uint4 chunk_of_1(const uint4 v) { return v; }
#endif

#define LINE_BY_K_1(i, LINES) ((i) / SLAB_CHUNKS)
#define LINE_BY_K_0(i, LINES) ((i) % (LINES))
#define CHUNK_BY_K_1(i, LINES) ((i) % SLAB_CHUNKS)
#define CHUNK_BY_K_0(i, LINES) ((i) / (LINES))

#define STAGE_TASKS(LINES) ((LINES)*SLAB_CHUNKS / UNIT_ITEMS)
// Task `task` of work-item `item`, both ways; callers loop over the tasks, so that the loop can carry an
// unroll pragma. count: how many of the tile's k exist; callers branch once and pass the constant SLAB_K to
// all loads of a whole tile.
#define DEFINE_UNIT_STAGE(NAME, BY_K, IS_HALF, LINES)                                                      \
  UNIT_INLINE HELD(IS_HALF)                                                                                \
      CAT(NAME, _load)(global const STORED(IS_HALF)* from, const uint stride, const uint lines,            \
                       const uint k0, const uint count, const uint item, const uint task) {                \
    const uint i = task * UNIT_ITEMS + item;                                                               \
    const uint line = min(CAT(LINE_BY_K_, BY_K)(i, LINES), lines - 1),                                     \
               k = CAT(CHUNK_BY_K_, BY_K)(i, LINES) * CHUNK_VALUES;                                        \
    global const STORED(IS_HALF)* p = from + (BY_K ? line * stride + (k0 + k) : (k0 + k) * stride + line); \
    if (BY_K && count == SLAB_K) return CAT(load_held_, IS_HALF)(p);                                       \
    return CAT(gather_held_, IS_HALF)(p, BY_K ? 1 : stride,                                                \
                                      count == SLAB_K ? CHUNK_VALUES : max(count, k) - k);                 \
  }                                                                                                        \
  UNIT_INLINE void CAT(NAME, _store)(const HELD(IS_HALF) held, local uint4* tile, const uint item,         \
                                     const uint task) {                                                    \
    const uint i = task * UNIT_ITEMS + item;                                                               \
    const uint at = BY_K ? slab_from(task * UNIT_ITEMS / SLAB_CHUNKS, item / SLAB_CHUNKS, i % SLAB_CHUNKS) \
                         : slab_at(i % (LINES), i / (LINES));                                              \
    tile[at] = CAT(chunk_of_, IS_HALF)(held);                                                              \
  }
