// argmax: the lowest index of the largest of `count` floats, or 0xffffffff if any of them is not finite. Two
// steps: each work-group's part, then what the parts found.
// Tunables:  VW (16), WG (1) a power of two
// Needs:     OpenCL C 1.2; local memory 12 * WG bytes (none for WG = 1).   Launcher: src/ops/argmax.cpp

// The best of all items of a work-group, for item 0.
#if WG == 1
#define BEST_SCRATCH(name)
#define GROUP_BEST(best, scratch) (best)
#else
#define BEST_SCRATCH(name) local Best name[WG]
#define GROUP_BEST(best, scratch) group_best(best, scratch)
Best group_best(Best best, local Best* scratch) {
  const uint item = get_local_id(0);
  scratch[item] = best;
  for (uint step = WG / 2; step > 0; step /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < step) scratch[item] = better_of(scratch[item], scratch[item + step]);
  }
  return scratch[item];
}
#endif

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void argmax_parts(const ArgmaxArgs args, global const float* restrict logits,
                  global uint* restrict partials) {
  BEST_SCRATCH(scratch);
  const uint part = get_group_id(0), end = min((part + 1) * args.part_size, args.count);
  logits += args.logits;
  FLOATV value = -INFINITY;
  UINTV row = 0xffffffffu;
  INTV bad = 0;
  uint i = part * args.part_size + get_local_id(0) * VW;
  for (; i + VW <= end; i += WG * VW) {
    const FLOATV next = LOADV(logits, i);
    const INTV wins = next > value;
    bad |= !isfinite(next);
    value = wins ? next : value;
    row = wins ? LANES + i : row;
  }
  Best best = best_lane(value, row, bad);
  for (; i < end; ++i) {
    const Best last = {logits[i], i, !isfinite(logits[i])};
    best = better_of(best, last);
  }
  best = GROUP_BEST(best, scratch);
  if (get_local_id(0) != 0) return;
  partials += args.partials + 3 * part;
  partials[0] = as_uint(best.value);
  partials[1] = best.row;
  partials[2] = best.bad;
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void argmax_choose(const ArgmaxArgs args, global const uint* restrict partials, global uint* restrict out) {
  BEST_SCRATCH(scratch);
  partials += args.partials;
  Best best = {-INFINITY, 0xffffffffu, 0};
  for (uint i = get_local_id(0); i < args.parts; i += WG) {
    const Best part = {as_float(partials[3 * i]), partials[3 * i + 1], partials[3 * i + 2]};
    best = better_of(best, part);
  }
  best = GROUP_BEST(best, scratch);
  if (get_local_id(0) == 0) out[args.out] = best.bad ? 0xffffffffu : best.row;
}
