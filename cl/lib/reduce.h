// After lib/common.h: reductions over a work-group of WG items (a power of two), in an order that depends on
// WG only, and over the lanes of one vector. Every item gets the result. The scratch array is declared in the
// kernel with GROUP_SCRATCH(name); it may be used again at once. A group of one item (the CPU preset) needs
// neither local memory nor barriers. Programs that define TEAM, a power of two that divides WG, reduce over
// each TEAM consecutive items instead, all teams at the same time.
#ifndef TEAM
#define TEAM WG
#endif
#if WG == 1
#define GROUP_SCRATCH_OF(type, name)
#define GROUP_REDUCE(function, value, scratch) (value)
#define DEFINE_GROUP_REDUCE(function, type, combine)
#else
#define GROUP_SCRATCH_OF(type, name) local type name[WG]
#define GROUP_REDUCE(function, value, scratch) function((value), (scratch))
#define DEFINE_GROUP_REDUCE(function, type, combine)                                 \
  type function(type value, local type* scratch) {                                   \
    const uint item = get_local_id(0) % TEAM;                                        \
    scratch += get_local_id(0) - item;                                               \
    scratch[item] = value;                                                           \
    for (uint step = TEAM / 2; step > 0; step /= 2) {                                \
      barrier(CLK_LOCAL_MEM_FENCE);                                                  \
      if (item < step) scratch[item] = combine(scratch[item], scratch[item + step]); \
    }                                                                                \
    barrier(CLK_LOCAL_MEM_FENCE);                                                    \
    const type result = scratch[0];                                                  \
    barrier(CLK_LOCAL_MEM_FENCE);                                                    \
    return result;                                                                   \
  }
#endif
#define GROUP_SCRATCH(name) GROUP_SCRATCH_OF(float, name)
#define GROUP_SUM(value, scratch) GROUP_REDUCE(group_sum, value, scratch)
#define GROUP_MAX(value, scratch) GROUP_REDUCE(group_max, value, scratch)
#define GROUP_MIN(value, scratch) GROUP_REDUCE(group_min, value, scratch)

float add_floats(float a, float b) { return a + b; }
DEFINE_GROUP_REDUCE(group_sum, float, add_floats)
DEFINE_GROUP_REDUCE(group_max, float, fmax)
DEFINE_GROUP_REDUCE(group_min, float, fmin)

// A sum kept as high + low part: adding n of them loses about n * 2^-48 of it instead of n * 2^-24.
float2 pair_add(float2 a, float2 b) {
  const float sum = a.x + b.x;
  const float moved = sum - a.x;
  const float lost = (a.x - (sum - moved)) + (b.x - moved);
  return (float2)(sum, lost + a.y + b.y);
}
// The sum as one float; an infinite one has a meaningless low part.
float pair_value(float2 sum) { return isfinite(sum.x) ? sum.x + sum.y : sum.x; }
// Scratch: GROUP_SCRATCH_OF(float2, name).
#define GROUP_SUM_PAIRS(value, scratch) GROUP_REDUCE(group_sum_pairs, value, scratch)
DEFINE_GROUP_REDUCE(group_sum_pairs, float2, pair_add)

#ifdef VW
// Largest and smallest lane. Comparisons instead of fmax: they become one instruction.
#if VW == 1
#define MAXV(v) (v)
#define MINV(v) (v)
#else
float fold_max2(float2 v) { return v.x > v.y ? v.x : v.y; }
float fold_min2(float2 v) { return v.x < v.y ? v.x : v.y; }
float fold_max4(float4 v) { return fold_max2(v.lo > v.hi ? v.lo : v.hi); }
float fold_min4(float4 v) { return fold_min2(v.lo < v.hi ? v.lo : v.hi); }
float fold_max8(float8 v) { return fold_max4(v.lo > v.hi ? v.lo : v.hi); }
float fold_min8(float8 v) { return fold_min4(v.lo < v.hi ? v.lo : v.hi); }
float fold_max16(float16 v) { return fold_max8(v.lo > v.hi ? v.lo : v.hi); }
float fold_min16(float16 v) { return fold_min8(v.lo < v.hi ? v.lo : v.hi); }
#define MAXV(v) CAT(fold_max, VW)(v)
#define MINV(v) CAT(fold_min, VW)(v)
#endif
#endif
