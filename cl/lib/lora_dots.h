// Products of activations with LoRA's A: one work-item's share of T tokens x R ranks. Needs VW, T, R,
// LANES_K, X_HALF.

// sum[m][r] = the products over this lane's features of token first_token + m and rank first_rank + r.
// LANES_K lanes share the features; those that fill no whole vector are lane 0's. Ranks and tokens past the
// end repeat the last one: callers leave them out.
void lora_dots(float sum[T][R], global const STORED(X_HALF)* x, uint first_token, uint num_tokens,
               global const half* lora_A, uint A_stride, uint first_rank, uint rank, uint in_features,
               uint lane) {
  global const half* rows_A[R];
  global const STORED(X_HALF)* rows_x[T];
#pragma unroll
  for (uint r = 0; r < R; ++r) rows_A[r] = lora_A + (size_t)min(first_rank + r, rank - 1) * A_stride;
#pragma unroll
  for (uint m = 0; m < T; ++m) rows_x[m] = x + (size_t)min(first_token + m, num_tokens - 1) * in_features;

  FLOATV acc[T][R];
#pragma unroll
  for (uint m = 0; m < T; ++m)
#pragma unroll
    for (uint r = 0; r < R; ++r) acc[m][r] = (FLOATV)(0.0f);
  const uint whole = in_features / VW * VW;
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
#pragma unroll
  for (uint m = 0; m < T; ++m)
#pragma unroll
    for (uint r = 0; r < R; ++r) {
      sum[m][r] = SUMV(acc[m][r]);
      if (lane == 0)
        for (uint k = whole; k < in_features; ++k)
          sum[m][r] = FMA(LOAD(1)(rows_A[r], k), LOAD(X_HALF)(rows_x[m], k), sum[m][r]);
    }
}

// Adds up the lanes' sums in an order that depends on nothing but LANES_K; lane 0 gets the result. Every
// work-item of the group comes here; LANE_SCRATCH declares what it needs, at the top of the kernel.
#if LANES_K > 1
#define LANE_SCRATCH local float lane_parts[LANES_K][T * R];
#define ADD_LANES(sum, lane)                                                                      \
  do {                                                                                            \
    for (uint i_ = 0; i_ < T * R; ++i_) lane_parts[lane][i_] = sum[i_ / R][i_ % R];               \
    for (uint step_ = LANES_K / 2; step_ > 0; step_ /= 2) {                                       \
      barrier(CLK_LOCAL_MEM_FENCE);                                                               \
      if (lane < step_)                                                                           \
        for (uint i_ = 0; i_ < T * R; ++i_) lane_parts[lane][i_] += lane_parts[lane + step_][i_]; \
    }                                                                                             \
    for (uint i_ = 0; i_ < T * R; ++i_) sum[i_ / R][i_ % R] = lane_parts[0][i_];                  \
  } while (0)
#else
#define LANE_SCRATCH
#define ADD_LANES(sum, lane) ((void)0)
#endif
