// The greedy choice among logits, pieced together in any order. Needs VW, and lib/unpack.h for LANES.

// The best of some logits: the lowest row of the largest value, and whether any of them is not finite.
typedef struct {
  float value;
  uint row, bad;
} Best;

Best better_of(Best a, Best b) {
  Best out = a;
  if (b.value > a.value || (b.value == a.value && b.row < a.row)) out = b;
  out.bad = a.bad | b.bad;
  return out;
}

#if VW == 1
#define ANY_LANE(flags) ((flags) != 0)
#else
#define ANY_LANE(flags) any(flags)
#endif

// The best of VW neighbours, each the best of its lane.
Best best_lane(FLOATV value, UINTV row, INTV bad) {
  float values[VW];
  uint rows[VW];
  STOREV(values, 0, value);
  STOREV(rows, 0, row);
  Best best = {-INFINITY, 0xffffffffu, ANY_LANE(bad)};
  for (uint i = 0; i < VW; ++i) {
    const Best lane = {values[i], rows[i], 0};
    best = better_of(best, lane);
  }
  return best;
}
