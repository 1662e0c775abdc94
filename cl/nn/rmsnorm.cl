// rmsnorm: y = x / rho * weight with rho = sqrt(mean(x^2) + eps), and the gradient to x. A work-group takes
// ROWS tokens, one after another.
// Meaning:   HALF 0|1 (storage of x, y, dy, dx; weight is float)
// Tunables:  VW (1), WG (1) a power of two, ROWS (1)
// Needs:     OpenCL C 1.2; local memory 4 * WG bytes (none for WG = 1).   Launcher: src/ops/rmsnorm.cpp
float square_sum(global const STORED(HALF)* x, uint n) {
  FLOATV sum = 0.0f;
  float rest = 0.0f;
  for (uint at = get_local_id(0) * VW; at < n; at += WG * VW) {
    if (at + VW <= n) {
      const FLOATV v = LOADV_OF(HALF)(x, at);
      sum = FMA(v, v, sum);
    } else {
      for (uint i = at; i < n; ++i) rest = FMA(LOAD(HALF)(x, i), LOAD(HALF)(x, i), rest);
    }
  }
  return SUMV(sum) + rest;
}

/// Sum of weight * dy * x.
float product_sum(global const STORED(HALF)* x, global const float* weight, global const STORED(HALF)* dy,
                  uint n) {
  FLOATV sum = 0.0f;
  float rest = 0.0f;
  for (uint at = get_local_id(0) * VW; at < n; at += WG * VW) {
    if (at + VW <= n) {
      sum = FMA(LOADV(weight, at) * LOADV_OF(HALF)(dy, at), LOADV_OF(HALF)(x, at), sum);
    } else {
      for (uint i = at; i < n; ++i) rest = FMA(weight[i] * LOAD(HALF)(dy, i), LOAD(HALF)(x, i), rest);
    }
  }
  return SUMV(sum) + rest;
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void rmsnorm_fwd(const RmsnormArgs args, global const STORED(HALF)* x, global const float* restrict weight,
                 global STORED(HALF)* y) {
  GROUP_SCRATCH(scratch);
  const uint n = args.features;
  weight += args.weight_offset;
  for (uint row = 0; row < ROWS; ++row) {
    const ulong token = (ulong)get_group_id(0) * ROWS + row;
    if (token >= args.num_tokens) return;  // the same for the whole group
    global const STORED(HALF)* xr = x + args.x_offset + token * n;
    global STORED(HALF)* yr = y + args.y_offset + token * n;
    const float inverse = 1.0f / sqrt(GROUP_SUM(square_sum(xr, n), scratch) / (float)n + args.eps);
    for (uint at = get_local_id(0) * VW; at < n; at += WG * VW) {
      if (at + VW <= n) {
        STOREV_OF(HALF)(yr, at, LOADV_OF(HALF)(xr, at) * inverse * LOADV(weight, at));
      } else {
        for (uint i = at; i < n; ++i) STORE(HALF)(yr, i, LOAD(HALF)(xr, i) * inverse * weight[i]);
      }
    }
  }
}

// dx = weight dy / rho - x sum(weight dy x) / (n rho^3)
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void rmsnorm_bwd(const RmsnormArgs args, global const STORED(HALF)* x, global const float* restrict weight,
                 global const STORED(HALF)* dy, global STORED(HALF)* dx) {
  GROUP_SCRATCH(scratch);
  const uint n = args.features;
  weight += args.weight_offset;
  for (uint row = 0; row < ROWS; ++row) {
    const ulong token = (ulong)get_group_id(0) * ROWS + row;
    if (token >= args.num_tokens) return;
    global const STORED(HALF)* xr = x + args.x_offset + token * n;
    global const STORED(HALF)* dyr = dy + args.dy_offset + token * n;
    global STORED(HALF)* dxr = dx + args.y_offset + token * n;
    const float inverse = 1.0f / sqrt(GROUP_SUM(square_sum(xr, n), scratch) / (float)n + args.eps);
    const float slope = GROUP_SUM(product_sum(xr, weight, dyr, n), scratch) / (float)n * inverse * inverse;
    for (uint at = get_local_id(0) * VW; at < n; at += WG * VW) {
      if (at + VW <= n) {
        STOREV_OF(HALF)(
            dxr, at,
            (LOADV(weight, at) * LOADV_OF(HALF)(dyr, at) - LOADV_OF(HALF)(xr, at) * slope) * inverse);
      } else {
        for (uint i = at; i < n; ++i)
          STORE(HALF)(dxr, i, (weight[i] * LOAD(HALF)(dyr, i) - LOAD(HALF)(xr, i) * slope) * inverse);
      }
    }
  }
}
