// lora_down: t = scaling * x A^T, the narrow half of the LoRA branch, written as [num_tokens / block_tokens][rank][block_tokens] so that
// the products read it like further activations. Zero for the tokens that fill the last block.
// One work-item covers T tokens x R ranks; LANES_K work-items share the features and add up in a fixed order that does not depend on T.
// Meaning:   X_HALF 0|1   T 1|4
// Tunables:  VW vector width, R ranks per work-item, LANES_K work-items along the features
// Needs:     OpenCL C 1.2; local memory 4 * T * R * LANES_K bytes if LANES_K > 1.   Launcher: src/ops/lora_down.cpp
kernel __attribute__((reqd_work_group_size(LANES_K, 1, 1)))
void lora_down(const LoraDownArgs a, global const STORED(X_HALF)* restrict x, global const half* restrict lora_A, global float* restrict t) {
  const uint lane = get_local_id(0);
  const uint first_rank = get_global_id(1) * R, first_token = get_global_id(2) * T;
  // Ranks and tokens past the end repeat the last one: no branch inside, and the store below leaves them out.
  global const half* rows_A[R];
  global const STORED(X_HALF)* rows_x[T];
#pragma unroll
  for (uint r = 0; r < R; ++r) rows_A[r] = lora_A + a.lora_A + (size_t)min(first_rank + r, a.rank - 1) * a.A_stride;
#pragma unroll
  for (uint m = 0; m < T; ++m) rows_x[m] = x + a.x + (size_t)min(first_token + m, a.num_tokens - 1) * a.in_features;

  FLOATV acc[T][R];
#pragma unroll
  for (uint m = 0; m < T; ++m)
#pragma unroll
    for (uint r = 0; r < R; ++r) acc[m][r] = (FLOATV)(0.0f);
  const uint whole = a.in_features / VW * VW;
  for (uint k = lane * VW; k < whole; k += LANES_K * VW) {
    FLOATV av[R];
#pragma unroll
    for (uint r = 0; r < R; ++r) av[r] = LOADV_HALF(rows_A[r], k);
#pragma unroll
    for (uint m = 0; m < T; ++m) {
      const FLOATV xv = LOADV_OF(X_HALF)(rows_x[m], k);
#pragma unroll
      for (uint r = 0; r < R; ++r) acc[m][r] = FMA(av[r], xv, acc[m][r]);
    }
  }
  float sum[T][R];
#pragma unroll
  for (uint m = 0; m < T; ++m)
#pragma unroll
    for (uint r = 0; r < R; ++r) {
      sum[m][r] = SUMV(acc[m][r]);
      if (lane == 0)
        for (uint k = whole; k < a.in_features; ++k) sum[m][r] = FMA(LOAD(1)(rows_A[r], k), LOAD(X_HALF)(rows_x[m], k), sum[m][r]);
    }
#if LANES_K > 1
  local float parts[LANES_K][T * R];
#pragma unroll
  for (uint m = 0; m < T; ++m)
#pragma unroll
    for (uint r = 0; r < R; ++r) parts[lane][m * R + r] = sum[m][r];
  for (uint half_way = LANES_K / 2; half_way > 0; half_way /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane < half_way)
      for (uint i = 0; i < T * R; ++i) parts[lane][i] += parts[lane + half_way][i];
  }
#endif
  if (lane != 0) return;
#if LANES_K > 1
#pragma unroll
  for (uint m = 0; m < T; ++m)
#pragma unroll
    for (uint r = 0; r < R; ++r) sum[m][r] = parts[0][m * R + r];
#endif
  const uint blocks = (a.num_tokens + a.block_tokens - 1) / a.block_tokens;
  for (uint m = 0; m < T; ++m) {
    const uint token = first_token + m;
    if (token >= blocks * a.block_tokens) break;
    for (uint r = 0; r < R && first_rank + r < a.rank; ++r)
      t[a.t + ((size_t)(token / a.block_tokens) * a.rank + first_rank + r) * a.block_tokens + token % a.block_tokens] =
          token < a.num_tokens ? a.scaling * sum[m][r] : 0.0f;
  }
}
