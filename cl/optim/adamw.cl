// adamw_step: one work-group updates WG_ELEMENTS consecutive parameters; nothing changes when the loss is not
// finite.
// Meaning:   none
// Tunables:  WG (1), VW (16), WG_ELEMENTS (8192) a multiple of WG * VW
// Needs:     OpenCL C 1.2.   Launcher: src/ops/adamw.cpp
// Operations and their order are torch's, so results agree to rounding (products may be fused into sums).

// One vector of parameters; m and v are updated in place.
FLOATV stepped(const AdamwArgs a, FLOATV p, FLOATV g, FLOATV* m, FLOATV* v) {
  *m = *m * a.beta1 + g * a.rest1;
  *v = *v * a.beta2 + g * g * a.rest2;
  const FLOATV denominator = sqrt(*v) / a.root_correction + a.eps;
  return p * a.decay - a.step_size * (*m / denominator);
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void adamw_step(const AdamwArgs a, global const float* restrict loss, global float* restrict p,
                global const float* restrict g, global float* restrict m, global float* restrict v) {
  if (!isfinite(loss[a.loss])) return;
  const size_t begin = get_group_id(0) * (size_t)WG_ELEMENTS, end = min(begin + WG_ELEMENTS, (size_t)a.count);
  size_t i = begin + get_local_id(0) * VW;
  for (; i + VW <= end; i += WG * VW) {
    FLOATV new_m = LOADV(m, a.m + i), new_v = LOADV(v, a.v + i);
    const FLOATV new_p = stepped(a, LOADV(p, a.p + i), LOADV(g, a.g + i), &new_m, &new_v);
    STOREV(p, a.p + i, new_p);
    STOREV(m, a.m + i, new_m);
    STOREV(v, a.v + i, new_v);
  }
  if (i < end) {
    FLOATV new_m = LOADV_PART(m, a.m + i, end - i, 0.0f), new_v = LOADV_PART(v, a.v + i, end - i, 0.0f);
    const FLOATV new_p = stepped(a, LOADV_PART(p, a.p + i, end - i, 0.0f),
                                 LOADV_PART(g, a.g + i, end - i, 0.0f), &new_m, &new_v);
    STOREV_PART(p, a.p + i, new_p, end - i);
    STOREV_PART(m, a.m + i, new_m, end - i);
    STOREV_PART(v, a.v + i, new_v, end - i);
  }
}
