// stage: the packed linears of a block that share their input, for one token, in two launches.
//   stage_input     what the products read: h = rmsnorm(x) * norm (or x), prepared and summed per group;
//                   t = scaling * A h of every linear
//   stage_products  their products with h, LoRA included, and what follows them
// Groups and features are whole chunks here, so nothing is ragged but the rows.
// Meaning:   BITS 2|3|4|8   ALIGNED 1   Y_HALF 0|1 (storage of x and y)   NORM 0|1
//            OUTPUT 0: y = it, 1: y += it, 2: y0 = silu(first) * second
// Tunables:  VW, RV, LS, KS, EXTRACT, AHEAD as in qgemv; WG work-items of stage_input's groups, RANKS of one
//            such group
// Needs:     OpenCL C 1.2; local memory 4 * LS * KS * VW * RV bytes (twice for OUTPUT 2) if KS > 1, 4 * WG if
//            WG > 1.   Launcher: src/ops/stage.cpp
#define ROWS (VW * RV)
#define HALF Y_HALF

// An argument of linear `which`, and the linear that work-group `part` works on (part becomes relative to
// it): without an index that is known at run time only, which would put all arguments into memory.
#define OF_LINEAR(values, which) ((which) == 0 ? (values)[0] : (which) == 1 ? (values)[1] : (values)[2])
#define FIND_LINEAR(which, part, groups)      \
  if (part >= (groups)[0]) {                  \
    which = 1;                                \
    part -= (groups)[0];                      \
    if (part >= (groups)[1]) {                \
      which = 2;                              \
      part -= (groups)[1];                    \
    }                                         \
  }

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void stage_input(const StageInputArgs a, global const STORED(HALF)* restrict x,
                 global const float* restrict norm, global const half* restrict A0,
                 global const half* restrict A1, global const half* restrict A2,
                 global float* restrict prepared, global float* restrict sums, global float* restrict t) {
  GROUP_SCRATCH(scratch);
  const uint item = get_local_id(0);
  x += a.x;
  norm += a.norm;
#if NORM
  FLOATV squares = 0.0f;
  for (uint k = item * VW; k < a.features; k += WG * VW)
    squares = FMA(LOADV_OF(HALF)(x, k), LOADV_OF(HALF)(x, k), squares);
  const float inverse = 1.0f / sqrt(GROUP_SUM(SUMV(squares), scratch) / (float)a.features + a.eps);
#define H(k) (LOADV_OF(HALF)(x, k) * inverse * LOADV(norm, k))
#else
#define H(k) LOADV_OF(HALF)(x, k)
  (void)norm;
#endif
  uint part = get_group_id(0);
  if (part == 0) {
    for (uint group = item; group < a.groups; group += WG) {
      FLOATV sum = 0.0f;
      for (uint k = group * a.group_size; k < (group + 1) * a.group_size; k += VW) {
        const FLOATV h = H(k);
        sum += h;
        float lanes[VW];
        STOREV(lanes, 0, h);
#pragma unroll
        for (uint i = 0; i < VW; ++i) lanes[i] = PREPARED_X(lanes[i], VW % PART == 0 ? i : k + i);
        STOREV(prepared, a.prepared + k, LOADV(lanes, 0));
      }
      sums[a.sums + group] = SUMV(sum);
    }
    return;
  }
  // The other groups: RANKS ranks of one linear each.
  --part;
  uint which = 0;
  FIND_LINEAR(which, part, a.rank_groups);
  global const half* A = (which == 0 ? A0 : which == 1 ? A1 : A2) + OF_LINEAR(a.lora_A, which);
  const uint ranks = OF_LINEAR(a.ranks, which);
  const float scaling = OF_LINEAR(a.scaling, which);
  FLOATV dots[RANKS];
#pragma unroll
  for (uint r = 0; r < RANKS; ++r) dots[r] = 0.0f;
  for (uint k = item * VW; k < a.features; k += WG * VW) {
    const FLOATV h = H(k);
#pragma unroll
    for (uint r = 0; r < RANKS; ++r)
      dots[r] = FMA(LOADV_HALF(A, (ulong)min(part * RANKS + r, ranks - 1) * a.features + k), h, dots[r]);
  }
  for (uint r = 0; r < RANKS; ++r) {
    const float dot = GROUP_SUM(SUMV(dots[r]), scratch);
    if (item == 0 && part * RANKS + r < ranks)
      t[a.t + which * a.t_stride + part * RANKS + r] = scaling * dot;
  }
}

#if KS == 1
#define RESULT FLOATV
#define RESULTS RV
#define RESULT_ROW(n) (row + (n)*VW)
#else
// After the slices are added up, the items of a tile share its rows.
#define RESULT float
#define RESULTS ((ROWS + KS - 1) / KS)
#define RESULT_ROW(n) (row + slice + (n)*KS)
#endif

// One linear's tensors and where its results go.
typedef struct {
  global const uint *qweight, *qzeros;
  global const half *scales, *lora_B_t;
  global STORED(HALF) * y;
} Matrix;

// What all linears of the stage read.
typedef struct {
  global const float *prepared, *sums, *t;
} StageInput;

// Products of this item's rows (all of them with one slice, else a share) with one linear.
void stage_rows(RESULT* out, const StageProductsArgs* a, uint which, uint row, local float* parts,
                const Matrix m, const StageInput in) {
  QmatmulArgs q;
  q.out_features = OF_LINEAR(a->out_features, which);
  q.padded_rows = (q.out_features + ROW_BLOCK - 1) / ROW_BLOCK * ROW_BLOCK;
  q.group_size = a->group_size;
  q.groups = a->groups;
  q.chunks = a->chunks;
  q.num_tokens = 1;
  q.rank = OF_LINEAR(a->ranks, which);
  q.qweight = OF_LINEAR(a->qweight, which);
  q.scales = OF_LINEAR(a->scales, which);
  q.qzeros = OF_LINEAR(a->qzeros, which);
  q.lora_B_t = OF_LINEAR(a->lora_B_t, which);
  q.x = q.x_sums = q.lora_t = q.y = 0;
  const uint slice = get_local_id(1), slice_groups = (a->groups + KS - 1) / KS;
  FLOATV acc[RV];
#pragma unroll
  for (uint v = 0; v < RV; ++v) acc[v] = 0.0f;
  qgemv_rows(acc, q, row, slice * slice_groups, min((slice + 1) * slice_groups, a->groups), m.qweight,
             m.scales, m.qzeros, in.prepared + a->prepared, in.sums + a->sums,
             in.t + a->t + which * a->t_stride, m.lora_B_t);
#if KS == 1
  (void)parts;
#pragma unroll
  for (uint v = 0; v < RV; ++v) out[v] = acc[v];
#else
  const uint lane = get_local_id(0);
#pragma unroll
  for (uint v = 0; v < RV; ++v) store_lanes(parts + (slice * ROWS + v * VW) * LS + lane, LS, acc[v]);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint n = 0; n < RESULTS; ++n) {
    out[n] = 0.0f;
    if (slice + n * KS < ROWS)
      for (uint s = 0; s < KS; ++s) out[n] += parts[(s * ROWS + slice + n * KS) * LS + lane];
  }
#endif
}

#define SIGMOID(g) (1.0f / (1.0f + exp(-(g))))

void stage_store(global STORED(HALF)* y, uint row, uint rows, RESULT value) {
#if KS == 1
  if (row + VW <= rows) {
    STOREV_OF(HALF)(y, row, OUTPUT == 1 ? LOADV_OF(HALF)(y, row) + value : value);
    return;
  }
  float lanes[VW];
  STOREV(lanes, 0, value);
  for (uint r = 0; row + r < rows; ++r)
    STORE(HALF)(y, row + r, OUTPUT == 1 ? LOAD(HALF)(y, row + r) + lanes[r] : lanes[r]);
#else
  if (row < rows) STORE(HALF)(y, row, OUTPUT == 1 ? LOAD(HALF)(y, row) + value : value);
#endif
}

kernel __attribute__((reqd_work_group_size(LS, KS, 1)))
void stage_products(const StageProductsArgs a, global const uint* restrict w0, global const half* restrict s0,
                    global const uint* restrict z0, global const half* restrict B0, global STORED(HALF)* y0,
                    global const uint* restrict w1, global const half* restrict s1,
                    global const uint* restrict z1, global const half* restrict B1, global STORED(HALF)* y1,
                    global const uint* restrict w2, global const half* restrict s2,
                    global const uint* restrict z2, global const half* restrict B2, global STORED(HALF)* y2,
                    global const float* restrict prepared, global const float* restrict sums,
                    global const float* restrict t) {
#if KS > 1
  local float parts[KS * ROWS * LS], more_parts[OUTPUT == 2 ? KS * ROWS * LS : 1];
#else
  local float *parts = 0, *more_parts = 0;
#endif
  const Matrix m0 = {w0, z0, s0, B0, y0 + a.y[0]}, m1 = {w1, z1, s1, B1, y1 + a.y[1]},
               m2 = {w2, z2, s2, B2, y2 + a.y[2]};
  const StageInput in = {prepared, sums, t};
  uint part = get_group_id(0), which = 0;
#if OUTPUT != 2
  FIND_LINEAR(which, part, a.row_groups);
#endif
  const Matrix m = which == 0 ? m0 : which == 1 ? m1 : m2;
  const uint row = (part * LS + get_local_id(0)) * ROWS, slice = get_local_id(1);
  const uint rows = OF_LINEAR(a.out_features, which);
  RESULT out[RESULTS], up[RESULTS];
  stage_rows(out, &a, which, row, parts, m, in);
  if (OUTPUT == 2) {
    stage_rows(up, &a, 1, row, more_parts, m1, in);
    for (uint n = 0; n < RESULTS; ++n) out[n] = out[n] * SIGMOID(out[n]) * up[n];
  }
#pragma unroll
  for (uint n = 0; n < RESULTS; ++n)
    if (KS == 1 || slice + n * KS < ROWS) stage_store(m.y, RESULT_ROW(n), rows, out[n]);
}
