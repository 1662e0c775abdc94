// Second moments of a linear's input, whole ([n, n]) or only their diagonal ([n]): damping, and products with
// a diagonal.
// Meaning:   none
// Tunables:  WG (1), VW (16)
// Needs:     OpenCL C 1.2; local memory 8 * WG bytes.   Launcher: src/ops/moments.cpp

// One work-group. Each element is read and written by one work-item, so the sum is complete before anything
// changes.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void damp(const MomentsArgs a, global float* restrict diagonal) {
  GROUP_SCRATCH_OF(float2, scratch);
  float2 sum = 0.0f;
  for (size_t i = get_local_id(0); i < a.count; i += WG)
    sum = pair_add(sum, (float2)(diagonal[a.diagonal + i * a.step], 0.0f));
  sum = GROUP_SUM_PAIRS(sum, scratch);
  const float added = a.share * (pair_value(sum) / a.count);
  for (size_t i = get_local_id(0); i < a.count; i += WG) diagonal[a.diagonal + i * a.step] += added;
}

// One work-group: there are few elements, each in a row of its own.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void take_diagonal(const MomentsArgs a, global const float* restrict diagonal, global float* restrict y) {
  for (size_t i = get_local_id(0); i < a.count; i += WG) y[a.y + i] = diagonal[a.diagonal + i * a.step];
}

// A work-group per row. No restrict on x: y may take its place.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void scale_columns(const MomentsArgs a, global const float* x, global const float* restrict diagonal,
                   global float* y) {
  const size_t row = get_group_id(0) * (size_t)a.count;
  size_t i = get_local_id(0) * VW;
  for (; i + VW <= a.count; i += WG * VW)
    STOREV(y, a.y + row + i, LOADV(x, a.x + row + i) * LOADV(diagonal, a.diagonal + i));
  if (i < a.count) {
    const size_t count = a.count - i;
    STOREV_PART(y, a.y + row + i,
                LOADV_PART(x, a.x + row + i, count, 0.0f) * LOADV_PART(diagonal, a.diagonal + i, count, 0.0f),
                count);
  }
}
