// gemv_input: what the mat-vec needs of each token's activations, in one launch: f32 values padded with zeros
// to whole chunks and prepared for the way it takes codes out (lib/unpack.h), their plain sum over every
// group, which carries the zero points, and LoRA's t = scaling * x A^T. A work-group takes either LANES_K
// groups of features (the features past the last group are zeroed by the last one's work-item) or R ranks;
// the two kinds are spread evenly, since a CPU's threads take runs of neighbouring work-groups.
// Meaning:   X_HALF 0|1   BITS 2|3|4|8   EXTRACT as the mat-vec's
// Tunables:  VW vector width and R ranks of a work-item (LoRA), LANES_K work-items per group
// Needs:     OpenCL C 1.2; local memory 4 * R * LANES_K bytes if LANES_K > 1.   Launcher: src/ops/qgemv.cpp
kernel __attribute__((reqd_work_group_size(LANES_K, 1, 1)))
void gemv_input(const QmatmulInputArgs a, global const STORED(X_HALF)* restrict x,
                global const half* restrict lora_A, global float* restrict out, global float* restrict sums,
                global float* restrict lora_t) {
  LANE_SCRATCH
  const uint token = get_global_id(1), lane = get_local_id(0);
  const uint item = get_group_id(0), items = get_num_groups(0), rank_items = (a.rank + R - 1) / R;
  const uint ranks_before = item * rank_items / items;
  x += a.x + (size_t)token * a.in_features;
  if ((item + 1) * rank_items / items > ranks_before) {
    const uint first_rank = ranks_before * R;
    float sum[T][R];
    lora_dots(sum, x, 0, 1, lora_A + a.lora_A, a.in_features, first_rank, a.rank, a.in_features, lane);
    ADD_LANES(sum, lane);
    if (lane == 0)
      for (uint r = 0; r < R && first_rank + r < a.rank; ++r)
        lora_t[a.lora_t + (size_t)token * a.rank + first_rank + r] = a.scaling * sum[0][r];
    return;
  }
  const uint group = (item - ranks_before) * LANES_K + lane;
  if (group >= a.groups) return;
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
