// lora_down: t = scaling * x A^T, the narrow half of the LoRA branch, written as [num_tokens /
// block_tokens][rank][block_tokens] so that the tiled products read it like further activations. Zero for the
// tokens that fill the last block. One work-item covers T tokens x R ranks; LANES_K work-items share the
// features and add up in a fixed order. (One token: gemv_input.cl.)
// Meaning:   X_HALF 0|1
// Tunables:  VW vector width, T tokens and R ranks per work-item, LANES_K work-items along the features
// Needs:     OpenCL C 1.2; local memory 4 * T * R * LANES_K bytes if LANES_K > 1.
//            Launcher: src/ops/lora_down.cpp
kernel __attribute__((reqd_work_group_size(LANES_K, 1, 1)))
void lora_down(const LoraDownArgs a, global const STORED(X_HALF)* restrict x,
               global const half* restrict lora_A, global float* restrict t) {
  LANE_SCRATCH
  const uint lane = get_local_id(0), first_rank = get_global_id(1) * R, first_token = get_global_id(2) * T;
  float sum[T][R];
  lora_dots(sum, x + a.x, first_token, a.num_tokens, lora_A + a.lora_A, a.A_stride, first_rank, a.rank,
            a.in_features, lane);
  ADD_LANES(sum, lane);
  if (lane != 0) return;
  const uint blocks = (a.num_tokens + a.block_tokens - 1) / a.block_tokens;
  for (uint m = 0; m < T; ++m) {
    const uint token = first_token + m;
    if (token >= blocks * a.block_tokens) break;
    for (uint r = 0; r < R && first_rank + r < a.rank; ++r)
      t[a.t + ((size_t)(token / a.block_tokens) * a.rank + first_rank + r) * a.block_tokens +
        token % a.block_tokens] = token < a.num_tokens ? a.scaling * sum[m][r] : 0.0f;
  }
}
