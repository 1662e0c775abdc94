// token_blocks: activations in the order the tiled product reads them, [num_tokens /
// TOKENS][padded_features][TOKENS] in f32, so that the TOKENS values a work-item needs next are neighbours.
// Zero past the last token and the last feature: the product then needs no bounds checks inside.
// Meaning:   X_HALF 0|1   TOKENS 1..32
// Tunables:  LS work-items per group, FEATURES per work-item
// Needs:     OpenCL C 1.2.   Launcher: src/ops/qgemm.cpp
kernel __attribute__((reqd_work_group_size(LS, 1, 1)))
void token_blocks(const QmatmulInputArgs a, global const STORED(X_HALF)* restrict x,
                  global float* restrict out) {
  const uint block = get_global_id(1);
  const uint first = get_global_id(0) * FEATURES;
  x += a.x;
  out += a.out + (size_t)block * a.padded_features * TOKENS;
  for (uint k = first; k < min(first + FEATURES, a.padded_features); ++k) {
#pragma unroll
    for (uint m = 0; m < TOKENS; ++m) {
      const uint token = block * TOKENS + m;
      const bool inside = token < a.num_tokens && k < a.in_features;
      out[(size_t)k * TOKENS + m] = inside ? LOAD(X_HALF)(x, (size_t)token * a.in_features + k) : 0.0f;
    }
  }
}
