// Group quantization with learnable clipping: ranges, their search for the least error, grid, fake
// quantization with its straight-through backward pass, and codes.
// A work-group handles groups_per_wg consecutive groups; TEAM of its WG items walk a group together, WG /
// TEAM groups at a time.
// Meaning:   none: bits, symmetric and clip are run-time values, they only enter arithmetic done once per
//            group
// Tunables:  WG (1), TEAM (1) powers of two, VW (16), WG_ELEMENTS (16384; read by the launcher: weights per
//            work-group)
// Needs:     OpenCL C 1.2.   Launcher: src/ops/fake_quant.cpp
// Division is the plain `/`: correctly rounded on CPUs, up to 2.5 ulp on GPUs, where a code can therefore
// differ from the host's at a tie. All kernels here round the same quotient, so on one device training,
// gradient and stored codes always agree.

#define SMALLEST_SCALE 0x1p-14f  // smallest normal binary16
#define LARGEST_SCALE 65504.0f   // largest binary16

#if VW == 1
#define CONVERT_UCHARV(v) ((uchar)(v))
#define STOREV_UCHAR(p, i, v) ((p)[i] = (v))
#else
#define CONVERT_UCHARV(v) CAT(CAT(convert_uchar, VW), _sat)(v)
#define STOREV_UCHAR(p, i, v) CAT(vstore, VW)((v), 0, (p) + (i))
#endif

// ---- the grid of a group; VW groups at a time ----

// Factor a range is multiplied by: 1 without clipping, since exp(-128) is 0 in f32. The choice stands before
// the exponential because LLVM 18 (PoCL 6) aborts where it stands after the division: "Instruction Combining
// did not reach a fixpoint".
FLOATV clip_strength(FLOATV logit, uint clip) {
  return 1.0f / (1.0f + exp(clip ? -logit : (FLOATV)(-128.0f)));
}

// Its derivative, in the form that does not lose digits for large logits.
FLOATV clip_slope(FLOATV logit) {
  const FLOATV e = exp(-fabs(logit));
  return e / ((1.0f + e) * (1.0f + e));
}

// The scale before it is clamped; hi >= 0 >= lo.
FLOATV raw_scale(const FakeQuantArgs a, FLOATV hi, FLOATV lo) {
  if (!a.symmetric) return (hi - lo) / a.qmax;
  return (hi > -lo ? hi : -lo) / a.half_range;
}

FLOATV grid_scale(const FakeQuantArgs a, FLOATV hi, FLOATV lo) {
  return clamp(raw_scale(a, hi, lo), SMALLEST_SCALE, LARGEST_SCALE);
}

FLOATV grid_zero(const FakeQuantArgs a, FLOATV lo, FLOATV scale) {
  return a.symmetric ? (FLOATV)(a.half_range) : clamp(rint(-lo / scale), 0.0f, a.qmax);
}

// d_upbound and d_lowbound from dL/ds: only through the scale, not at all where the scale was clamped.
void range_gradients(const FakeQuantArgs a, FLOATV d_scale, FLOATV xmin, FLOATV xmax, FLOATV upbound,
                     FLOATV lowbound, FLOATV* d_upbound, FLOATV* d_lowbound) {
  const FLOATV hi = clip_strength(upbound, 1) * xmax;
  const FLOATV lo = clip_strength(lowbound, 1) * xmin;
  const FLOATV raw = raw_scale(a, hi, lo);
  FLOATV up = clip_slope(upbound) * xmax;
  FLOATV low = clip_slope(lowbound) * -xmin;
  if (a.symmetric) {
    // The larger side owns the scale; equal sides share it.
    const FLOATV zero = 0.0f, half_share = 0.5f, whole = 1.0f;
    up *= (hi > -lo ? whole : (hi == -lo ? half_share : zero)) / a.half_range;
    low *= (hi < -lo ? whole : (hi == -lo ? half_share : zero)) / a.half_range;
  } else {
    up /= a.qmax;
    low /= a.qmax;
  }
  const FLOATV none = 0.0f;
  const FLOATV passed = raw < SMALLEST_SCALE ? none : (raw > LARGEST_SCALE ? none : d_scale);
  *d_upbound = passed * up;
  *d_lowbound = passed * low;
}

// ---- one vector of weights on the grid of their group ----

// rint(u) for |u| < 2^22, where the sum's last place is a whole number and the addition itself rounds, ties
// to even; beyond, any value that is clamped like u. Two instructions where CPU vector libraries take fifteen
// for rint.
FLOATV whole_number(FLOATV u) { return (u + 0x1.8p23f) - 0x1.8p23f; }

FLOATV code_before_clamp(FLOATV u, float zero) { return whole_number(u) + zero; }

FLOATV code_of(FLOATV w, float scale, float zero, float qmax) {
  return clamp(code_before_clamp(w / scale, zero), 0.0f, qmax);
}

// `value` where the code is not clamped (the ends of the grid included), zero elsewhere.
FLOATV inside_grid(FLOATV value, FLOATV free_code, FLOATV code) {
  const FLOATV outside = 0.0f;
  return code == free_code ? value : outside;
}

// One vector of the backward pass: the sum of g * d what / d scale grows, and `g` becomes the gradient of w.
// The slope is rint(u) - u inside the grid, the distance to the zero point outside.
FLOATV slope_sum(FLOATV w, FLOATV* g, float scale, float zero, float qmax, FLOATV sum) {
  const FLOATV u = w / scale;
  const FLOATV free_code = code_before_clamp(u, zero);
  const FLOATV code = clamp(free_code, 0.0f, qmax);
  sum = FMA(*g, (code - zero) - inside_grid(u, free_code, code), sum);
  *g = inside_grid(*g, free_code, code);
  return sum;
}

// ---- shrunk ranges, and the logits that shrink by as much ----

#define SHRINKS 13  // padded to whole vectors with the last one
constant float shrink_factors[16] = {1.00f, 0.95f, 0.90f, 0.85f, 0.80f, 0.75f, 0.70f, 0.65f,
                                     0.60f, 0.55f, 0.50f, 0.45f, 0.40f, 0.40f, 0.40f, 0.40f};
// ln(f / (1 - f)), f at most 0.99
constant float shrink_logits[SHRINKS] = {4.59511985f, 2.94443898f,  2.19722458f, 1.73460106f, 1.38629436f,
                                         1.09861229f, 0.84729786f,  0.61903921f, 0.40546511f, 0.20067070f,
                                         0.0f,        -0.20067070f, -0.40546511f};

// ---- kernels ----

#define FIRST_GROUP(a) (get_group_id(0) * (size_t)(a).groups_per_wg)
#define LAST_GROUP(a) min(FIRST_GROUP(a) + (a).groups_per_wg, (size_t)(a).num_groups)
#define TEAMS (WG / TEAM)
#define TEAM_OF_ITEM (get_local_id(0) / TEAM)
#define ITEM_OF_TEAM (get_local_id(0) % TEAM)
// Items of a work-group meet barriers in such loops, so every team takes part in every turn: one without a
// group walks over nothing.
#define HAS_GROUP(turn, last) ((turn) + TEAM_OF_ITEM < (last))
#define GROUP_OF_TURN(turn, last) min((turn) + TEAM_OF_ITEM, (last)-1)
#define SIZE_OF_TURN(a, turn, last) (HAS_GROUP(turn, last) ? (a).group_size : 0)

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void group_range(const FakeQuantArgs a, global const float* restrict w, global float* restrict xmin,
                 global float* restrict xmax) {
  GROUP_SCRATCH(scratch);
  const size_t last = LAST_GROUP(a);
  for (size_t turn = FIRST_GROUP(a); turn < last; turn += TEAMS) {
    const size_t group = GROUP_OF_TURN(turn, last);
    const size_t begin = group * a.group_size + a.w, end = begin + SIZE_OF_TURN(a, turn, last);
    FLOATV low = 0.0f, high = 0.0f;  // the range contains 0
    size_t i = begin + ITEM_OF_TEAM * VW;
    for (; i + VW <= end; i += TEAM * VW) {
      const FLOATV x = LOADV(w, i);
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    if (i < end) {
      const FLOATV x = LOADV_PART(w, i, end - i, 0.0f);
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    const float smallest = GROUP_MIN(MINV(low), scratch);
    const float largest = GROUP_MAX(MAXV(high), scratch);
    if (ITEM_OF_TEAM == 0 && HAS_GROUP(turn, last)) {
      xmin[a.xmin + group] = smallest;
      xmax[a.xmax + group] = largest;
    }
  }
}

// One pass over the group, which stays in the cache, for each factor; work-items agree on every sum and so on
// the factor.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void mse_range(const FakeQuantArgs a, global const float* restrict w, global const float* restrict xmin,
               global const float* restrict xmax, global float* restrict upbound,
               global float* restrict lowbound) {
  GROUP_SCRATCH(scratch);
  const size_t last = LAST_GROUP(a);
  for (size_t turn = FIRST_GROUP(a); turn < last; turn += TEAMS) {
    const size_t group = GROUP_OF_TURN(turn, last);
    float scales[16], zeros[16];
    const FLOATV hi = xmax[a.xmax + group], lo = xmin[a.xmin + group];
    for (uint i = 0; i < SHRINKS; i += VW) {
      const FLOATV f = LOADV(shrink_factors, i);
      const FLOATV s = grid_scale(a, f * hi, f * lo);
      STOREV(scales, i, s);
      STOREV(zeros, i, grid_zero(a, f * lo, s));
    }
    const size_t begin = group * a.group_size + a.w, end = begin + SIZE_OF_TURN(a, turn, last);
    float least = INFINITY, logit = shrink_logits[0];
    for (uint f = 0; f < SHRINKS; ++f) {
      const float s = scales[f], z = zeros[f];
      FLOATV sum = 0.0f;
      size_t i = begin + ITEM_OF_TEAM * VW;
      for (; i + VW <= end; i += TEAM * VW) {
        const FLOATV x = LOADV(w, i);
        const FLOATV d = s * (code_of(x, s, z, a.qmax) - z) - x;
        sum = FMA(d, d, sum);
      }
      if (i < end) {
        const FLOATV x = LOADV_PART(w, i, end - i, 0.0f);  // 0 lies on every grid: it adds nothing
        const FLOATV d = s * (code_of(x, s, z, a.qmax) - z) - x;
        sum = FMA(d, d, sum);
      }
      const float error = GROUP_SUM(SUMV(sum), scratch);
      if (error < least) {
        least = error;
        logit = shrink_logits[f];
      }
    }
    if (ITEM_OF_TEAM == 0 && HAS_GROUP(turn, last)) {
      upbound[a.upbound + group] = logit;
      lowbound[a.lowbound + group] = logit;
    }
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void quant_grid(const FakeQuantArgs a, global const float* restrict xmin, global const float* restrict xmax,
                global const float* restrict upbound, global const float* restrict lowbound,
                global float* restrict scale, global float* restrict zero) {
  const size_t last = LAST_GROUP(a);
  for (size_t group = FIRST_GROUP(a) + get_local_id(0) * VW; group < last; group += WG * VW) {
    const size_t count = last - group;
    FLOATV hi, lo, up = 0.0f, low = 0.0f;
    if (count >= VW) {
      hi = LOADV(xmax, a.xmax + group);
      lo = LOADV(xmin, a.xmin + group);
      if (a.clip) up = LOADV(upbound, a.upbound + group);
      if (a.clip) low = LOADV(lowbound, a.lowbound + group);
    } else {
      hi = LOADV_PART(xmax, a.xmax + group, count, 0.0f);
      lo = LOADV_PART(xmin, a.xmin + group, count, 0.0f);
      if (a.clip) up = LOADV_PART(upbound, a.upbound + group, count, 0.0f);
      if (a.clip) low = LOADV_PART(lowbound, a.lowbound + group, count, 0.0f);
    }
    hi *= clip_strength(up, a.clip);
    lo *= clip_strength(low, a.clip);
    const FLOATV s = grid_scale(a, hi, lo);
    const FLOATV z = grid_zero(a, lo, s);
    if (count >= VW) {
      STOREV(scale, a.scale + group, s);
      STOREV(zero, a.zero + group, z);
    } else {
      STOREV_PART(scale, a.scale + group, s, count);
      STOREV_PART(zero, a.zero + group, z, count);
    }
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void fake_quant_fwd(const FakeQuantArgs a, global const float* restrict w, global const float* restrict scale,
                    global const float* restrict zero, global float* restrict what) {
  const size_t last = LAST_GROUP(a);
  for (size_t group = FIRST_GROUP(a) + TEAM_OF_ITEM; group < last; group += TEAMS) {
    const float s = scale[a.scale + group], z = zero[a.zero + group];
    const size_t first = group * a.group_size, size = a.group_size;
    size_t i = ITEM_OF_TEAM * VW;
    for (; i + VW <= size; i += TEAM * VW)
      STOREV(what, a.what + first + i, s * (code_of(LOADV(w, a.w + first + i), s, z, a.qmax) - z));
    if (i < size) {
      const FLOATV x = LOADV_PART(w, a.w + first + i, size - i, 0.0f);
      STOREV_PART(what, a.what + first + i, s * (code_of(x, s, z, a.qmax) - z), size - i);
    }
  }
}

// No restrict on d_what: d_w may take its place.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void fake_quant_bwd(const FakeQuantArgs a, global const float* restrict w, global const float* restrict scale,
                    global const float* restrict zero, global const float* restrict xmin,
                    global const float* restrict xmax, global const float* restrict upbound,
                    global const float* restrict lowbound, global const float* d_what,
                    global float* restrict d_upbound, global float* restrict d_lowbound, global float* d_w) {
  GROUP_SCRATCH(scratch);
  const size_t last = LAST_GROUP(a);
  // dL/ds of each group goes to d_upbound first, so that the exponentials below are done VW groups at a time.
  for (size_t turn = FIRST_GROUP(a); turn < last; turn += TEAMS) {
    const size_t group = GROUP_OF_TURN(turn, last);
    const float s = scale[a.scale + group], z = zero[a.zero + group];
    const size_t first = group * a.group_size, size = SIZE_OF_TURN(a, turn, last);
    FLOATV sum = 0.0f;
    size_t i = ITEM_OF_TEAM * VW;
    for (; i + VW <= size; i += TEAM * VW) {
      FLOATV g = LOADV(d_what, a.what + first + i);
      sum = slope_sum(LOADV(w, a.w + first + i), &g, s, z, a.qmax, sum);
      if (a.has_d_w) STOREV(d_w, a.d_w + first + i, g);
    }
    if (i < size) {
      FLOATV g = LOADV_PART(d_what, a.what + first + i, size - i, 0.0f);
      sum = slope_sum(LOADV_PART(w, a.w + first + i, size - i, 0.0f), &g, s, z, a.qmax, sum);
      if (a.has_d_w) STOREV_PART(d_w, a.d_w + first + i, g, size - i);
    }
    const float total = GROUP_SUM(SUMV(sum), scratch);
    if (ITEM_OF_TEAM == 0 && HAS_GROUP(turn, last)) d_upbound[a.d_upbound + group] = a.clip ? total : 0.0f;
  }
  barrier(CLK_GLOBAL_MEM_FENCE);
  for (size_t group = FIRST_GROUP(a) + get_local_id(0) * VW; group < last; group += WG * VW) {
    const size_t count = last - group;
    FLOATV up, low;
    if (count >= VW) {
      range_gradients(a, LOADV(d_upbound, a.d_upbound + group), LOADV(xmin, a.xmin + group),
                      LOADV(xmax, a.xmax + group), LOADV(upbound, a.upbound + group),
                      LOADV(lowbound, a.lowbound + group), &up, &low);
      STOREV(d_upbound, a.d_upbound + group, up);
      STOREV(d_lowbound, a.d_lowbound + group, low);
    } else {
      range_gradients(a, LOADV_PART(d_upbound, a.d_upbound + group, count, 0.0f),
                      LOADV_PART(xmin, a.xmin + group, count, 0.0f),
                      LOADV_PART(xmax, a.xmax + group, count, 0.0f),
                      LOADV_PART(upbound, a.upbound + group, count, 0.0f),
                      LOADV_PART(lowbound, a.lowbound + group, count, 0.0f), &up, &low);
      STOREV_PART(d_upbound, a.d_upbound + group, up, count);
      STOREV_PART(d_lowbound, a.d_lowbound + group, low, count);
    }
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void quantize_codes(const FakeQuantArgs a, global const float* restrict w, global const float* restrict scale,
                    global const float* restrict zero, global uchar* restrict codes,
                    global half* restrict scales, global uchar* restrict zeros) {
  const size_t last = LAST_GROUP(a);
  for (size_t group = FIRST_GROUP(a) + TEAM_OF_ITEM; group < last; group += TEAMS) {
    const float s = scale[a.scale + group], z = zero[a.zero + group];
    const size_t first = group * a.group_size, size = a.group_size;
    // VW codes at a time, then the remainder one by one: bytes have no partial vector store.
    const size_t vectors = size / VW * VW;
    for (size_t i = ITEM_OF_TEAM * VW; i < vectors; i += TEAM * VW)
      STOREV_UCHAR(codes, a.codes + first + i,
                   CONVERT_UCHARV(code_of(LOADV(w, a.w + first + i), s, z, a.qmax)));
    for (size_t i = vectors + ITEM_OF_TEAM; i < size; i += TEAM)
      codes[a.codes + first + i] = convert_uchar_sat(clamp(rint(w[a.w + first + i] / s) + z, 0.0f, a.qmax));
    if (ITEM_OF_TEAM == 0) {
      vstore_half_rte(s, a.scales + group, scales);
      zeros[a.zeros + group] = convert_uchar_sat(z);
    }
  }
}
