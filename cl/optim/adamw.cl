// adamw_step: one work-group updates WG_ELEMENTS consecutive parameters; when the loss is not finite nothing
// changes, and the step is counted as skipped.
// guard_loss: the loss becomes NaN if one of WG_ELEMENTS consecutive values of a work-group is not finite.
// Meaning:   none
// Tunables:  WG (1), VW (16), WG_ELEMENTS (8192) a multiple of WG * VW
// Needs:     OpenCL C 1.2.   Launcher: src/ops/adamw.cpp
// Operations and their order are torch's, so results agree to rounding (products may be fused into sums).

typedef struct Correction {
  float step_size, root;
} Correction;

// The host's numbers hold unless a step before this one was skipped; then those of the steps taken, by expm1,
// which loses nothing where beta^t is near 1.
Correction correction_of(const AdamwArgs a, const uint skipped) {
  const Correction host = {a.step_size, a.root_correction};
  if (skipped == 0) return host;
  const float t = a.step - skipped;
  const Correction found = {a.learning_rate / -expm1(t * a.log_beta1), sqrt(-expm1(t * a.log_beta2))};
  return found;
}

// One vector of parameters; m and v are updated in place.
FLOATV stepped(const AdamwArgs a, const Correction c, FLOATV p, FLOATV g, FLOATV* m, FLOATV* v) {
  *m = *m * a.beta1 + g * a.rest1;
  *v = *v * a.beta2 + g * g * a.rest2;
  const FLOATV denominator = sqrt(*v) / c.root + a.eps;
  return p * a.decay - c.step_size * (*m / denominator);
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void adamw_step(const AdamwArgs a, global const float* restrict loss, global uint* restrict skipped,
                global float* restrict p, global const float* restrict g, global float* restrict m,
                global float* restrict v) {
  if (!isfinite(loss[a.loss])) {
    if (get_global_id(0) == 0) ++skipped[a.skipped];
    return;
  }
  const Correction c = correction_of(a, skipped[a.skipped]);
  const size_t begin = get_group_id(0) * (size_t)WG_ELEMENTS, end = min(begin + WG_ELEMENTS, (size_t)a.count);
  size_t i = begin + get_local_id(0) * VW;
  for (; i + VW <= end; i += WG * VW) {
    FLOATV new_m = LOADV(m, a.m + i), new_v = LOADV(v, a.v + i);
    const FLOATV new_p = stepped(a, c, LOADV(p, a.p + i), LOADV(g, a.g + i), &new_m, &new_v);
    STOREV(p, a.p + i, new_p);
    STOREV(m, a.m + i, new_m);
    STOREV(v, a.v + i, new_v);
  }
  if (i < end) {
    const size_t count = end - i;
    FLOATV new_m = LOADV_PART(m, a.m + i, count, 0.0f), new_v = LOADV_PART(v, a.v + i, count, 0.0f);
    const FLOATV new_p = stepped(a, c, LOADV_PART(p, a.p + i, count, 0.0f),
                                 LOADV_PART(g, a.g + i, count, 0.0f), &new_m, &new_v);
    STOREV_PART(p, a.p + i, new_p, count);
    STOREV_PART(m, a.m + i, new_m, count);
    STOREV_PART(v, a.v + i, new_v, count);
  }
}

// Every work-item that sees something writes the same, so their order does not matter.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void guard_loss(const GuardArgs a, global float* loss, global const float* x, global const float* y) {
  const bool of_x = get_group_id(0) < a.x_groups;
  global const float* values = of_x ? x + a.x : y + a.y;
  const size_t group = of_x ? get_group_id(0) : get_group_id(0) - a.x_groups, begin = group * WG_ELEMENTS,
               end = min(begin + WG_ELEMENTS, (size_t)(of_x ? a.x_count : a.y_count));
  // 0 * value is 0 for every finite value, NaN for the others.
  FLOATV sum = 0.0f;
  size_t i = begin + get_local_id(0) * VW;
  for (; i + VW <= end; i += WG * VW) sum += LOADV(values, i) * 0.0f;
  if (i < end) sum += LOADV_PART(values, i, end - i, 0.0f) * 0.0f;
  if (isnan(SUMV(sum))) loss[a.loss] = NAN;
}
