// gemv_input: what the mat-vec needs of each token's activations: f32 values padded with zeros to whole chunks and multiplied by the power of
// two that lets codes stay where they lie in their word (lib/unpack.h), and their plain sum over every group, which carries the zero
// points. One work-item per group and token; the features past the last group are zeroed by the last one.
// Meaning:   X_HALF 0|1   BITS 2|3|4|8
// Tunables:  LS work-items per group
// Needs:     OpenCL C 1.2.   Launcher: src/ops/qgemv.cpp
kernel __attribute__((reqd_work_group_size(LS, 1, 1)))
void gemv_input(const QmatmulInputArgs a, global const STORED(X_HALF)* restrict x, global float* restrict out, global float* restrict sums) {
  const uint group = get_global_id(0), token = get_global_id(1);
  if (group >= a.groups) return;
  x += a.x + (size_t)token * a.in_features;
  out += a.out + (size_t)token * a.padded_features;
  float sum = 0;
  for (uint k = group * a.group_size; k < (group + 1) * a.group_size; ++k) {
    const float value = LOAD(X_HALF)(x, k);
    sum += value;
    out[k] = PREPARED_X(value, k);
  }
  sums[a.sums + (size_t)token * a.groups + group] = sum;
  if (group + 1 == a.groups)
    for (uint k = a.in_features; k < a.padded_features; ++k) out[k] = 0;
}
