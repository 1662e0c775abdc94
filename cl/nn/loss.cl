// Sums of squares and products over whole tensors in two stages: each work-group adds wg_elements of them,
// sum_partials adds the work-groups.
// Meaning:   HALF 0|1: storage of the tensors
// Tunables:  WG (1), VW (16)
// Needs:     OpenCL C 1.2; local memory 8 * WG bytes.   Launcher: src/ops/loss.cpp
// Sums are high + low pairs throughout (compensated per lane, then pair_add), so the result's relative error
// is that of its terms and of the final rounding: subtraction 2 u, square 1 u, rounding 1 u, u = 2^-24:
// 2.4e-7 for any count below 2^32 (of the sum of magnitudes where terms have both signs).

// Compensated sum of one lane per element: total - lost is the sum so far.
typedef struct LaneSums {
  FLOATV total, lost;
} LaneSums;

void add_to(LaneSums* sums, FLOATV term) {
  const FLOATV corrected = term - sums->lost;
  const FLOATV total = sums->total + corrected;
  sums->lost = (total - sums->total) - corrected;
  sums->total = total;
}

float2 lanes_to_pair(LaneSums sums) {
#if VW == 1
  return (float2)(sums.total, -sums.lost);
#else
  float total[VW], lost[VW];
  CAT(vstore, VW)(sums.total, 0, total);
  CAT(vstore, VW)(sums.lost, 0, lost);
  float2 sum = 0.0f;
  for (uint lane = 0; lane < VW; ++lane) sum = pair_add(sum, (float2)(total[lane], -lost[lane]));
  return sum;
#endif
}

// VW elements of a tensor, zero past the end of the work-group's part.
FLOATV elements_at(global const STORED(HALF) * p, size_t i, size_t count) {
  if (count >= VW) return LOADV_OF(HALF)(p, i);
  return LOADV_PART_OF(HALF)(p, i, count, 0.0f);
}

#define BEGIN(a) (get_group_id(0) * (size_t)(a).wg_elements)
#define END(a) min(BEGIN(a) + (a).wg_elements, (size_t)(a).count)

// No restrict on y: its gradient may take its place.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void squared_error(const LossArgs a, global const STORED(HALF)* y, global const STORED(HALF)* restrict target,
                   global STORED(HALF)* d_y, global float2* restrict partials) {
  GROUP_SCRATCH_OF(float2, scratch);
  const size_t end = END(a);
  LaneSums sums = {0.0f, 0.0f};
  for (size_t i = BEGIN(a) + get_local_id(0) * VW; i < end; i += WG * VW) {
    const size_t count = end - i;
    const FLOATV d = elements_at(y, a.y + i, count) - elements_at(target, a.target + i, count);
    add_to(&sums, d * d);
    if (count >= VW) {
      STOREV_OF(HALF)(d_y, a.d_y + i, d * a.scale);
    } else {
      STOREV_PART_OF(HALF)(d_y, a.d_y + i, d * a.scale, count);
    }
  }
  const float2 sum = GROUP_SUM_PAIRS(lanes_to_pair(sums), scratch);
  if (get_local_id(0) == 0) partials[a.partials + get_group_id(0)] = sum;
}

// Partials of the second sum follow those of the first.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void relative_error(const LossArgs a, global const STORED(HALF)* restrict x,
                    global const STORED(HALF)* restrict reference, global float2* restrict partials) {
  GROUP_SCRATCH_OF(float2, scratch);
  const size_t end = END(a);
  LaneSums errors = {0.0f, 0.0f}, squares = {0.0f, 0.0f};
  for (size_t i = BEGIN(a) + get_local_id(0) * VW; i < end; i += WG * VW) {
    const FLOATV b = elements_at(reference, a.target + i, end - i);
    const FLOATV d = elements_at(x, a.y + i, end - i) - b;
    add_to(&errors, d * d);
    add_to(&squares, b * b);
  }
  const float2 error = GROUP_SUM_PAIRS(lanes_to_pair(errors), scratch);
  const float2 square = GROUP_SUM_PAIRS(lanes_to_pair(squares), scratch);
  if (get_local_id(0) == 0) {
    partials[a.partials + get_group_id(0)] = error;
    partials[a.partials + a.num_partials + get_group_id(0)] = square;
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void dot_product(const LossArgs a, global const STORED(HALF)* restrict x,
                 global const STORED(HALF)* restrict y, global float2* restrict partials) {
  GROUP_SCRATCH_OF(float2, scratch);
  const size_t end = END(a);
  LaneSums sums = {0.0f, 0.0f};
  for (size_t i = BEGIN(a) + get_local_id(0) * VW; i < end; i += WG * VW)
    add_to(&sums, elements_at(x, a.y + i, end - i) * elements_at(y, a.target + i, end - i));
  const float2 sum = GROUP_SUM_PAIRS(lanes_to_pair(sums), scratch);
  if (get_local_id(0) == 0) partials[a.partials + get_group_id(0)] = sum;
}

// One work-group per sum.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void sum_partials(const LossArgs a, global const float2* restrict partials,
                                                                         global float* restrict sums) {
  GROUP_SCRATCH_OF(float2, scratch);
  const size_t column = get_group_id(0);
  float2 sum = 0.0f;
  for (size_t i = get_local_id(0); i < a.num_partials; i += WG)
    sum = pair_add(sum, partials[a.partials + column * a.num_partials + i]);
  sum = GROUP_SUM_PAIRS(sum, scratch);
  if (get_local_id(0) == 0) sums[a.sums + column] = pair_value(sum);
}
