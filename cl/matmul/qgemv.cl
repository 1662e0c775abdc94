// qgemv: y = x dequant(w)^T + t B^T for one token per work-group row. Bound by reading w once, so the work per weight is the least
// there is: codes are masked where they lie (the powers of two went into x, see gemv_input.cl), and scale and zero point are applied once
// per group:  y += scale * (sum code x - zero * sum x).
// Meaning:   BITS 2|3|4|8   ALIGNED 1: group_size is a multiple of 32   Y_HALF 0|1
// Tunables:  VW vector width, RV vectors of rows per work-item (VW * RV divides 32), LS work-items along rows, KS along features
// Needs:     OpenCL C 1.2; local memory 4 * LS * KS * VW * RV bytes if KS > 1.   Launcher: src/ops/qgemv.cpp
#define ROWS (VW * RV)
#define CHAINS 4  // independent sums per row vector, so that additions overlap; features i, i + 4, .. of a part share one

kernel __attribute__((reqd_work_group_size(LS, KS, 1)))
void qgemv(const QmatmulArgs a, global const uint* restrict qweight, global const half* restrict scales, global const uint* restrict qzeros,
           global const float* restrict x, global const float* restrict x_sums, global const float* restrict lora_t,
           global const half* restrict lora_B_t, global STORED(Y_HALF)* restrict y) {
  const uint wanted_row = get_global_id(0) * ROWS;
  const uint row = min(wanted_row, a.padded_rows - ROWS);  // no early return: there may be a barrier below
  const uint slice = get_local_id(1), token = get_global_id(2);
  qweight += a.qweight + chunk_start(row, 0, a.chunks);
  scales += a.scales;
  qzeros += a.qzeros;
  x += a.x + (size_t)token * a.chunks * CHUNK;
  x_sums += a.x_sums + (size_t)token * a.groups;
  lora_t += a.lora_t + (size_t)token * a.rank;
  lora_B_t += a.lora_B_t + row;

  FLOATV acc[RV], raw[RV][CHAINS];
#pragma unroll
  for (uint v = 0; v < RV; ++v) {
    acc[v] = (FLOATV)(0.0f);
#pragma unroll
    for (uint s = 0; s < CHAINS; ++s) raw[v][s] = (FLOATV)(0.0f);
  }
  // LoRA's ranks are spread over the groups: their rows lie far apart, and arithmetic between the loads hides the wait for memory.
  const uint group_ranks = (a.rank + a.groups - 1) / a.groups;
  // A slice is a run of whole groups: x_sums enters once per group, whoever owns it.
  const uint slice_groups = (a.groups + KS - 1) / KS;
  for (uint group = slice * slice_groups; group < min((slice + 1) * slice_groups, a.groups); ++group) {
    const uint first = group * a.group_size, last = first + a.group_size;
    for (uint part = first / PART; part * PART < last; ++part) {
      UINTV words[RV][PART_WORDS];
#pragma unroll
      for (uint v = 0; v < RV; ++v) LOAD_PART(words[v], qweight + v * VW, part);
      // A group that begins or ends inside a part takes its features only; ALIGNED ones take all, unrolled, in CHAINS sums.
#if ALIGNED
#pragma unroll
      for (uint i = 0; i < PART; ++i) {
#else
      for (uint i = max(first, part * PART) - part * PART; i < min(last - part * PART, PART); ++i) {
#endif
        const FLOATV xi = (FLOATV)(x[part * PART + i]);
        const uint chain = ALIGNED ? i % CHAINS : 0;
#pragma unroll
        for (uint v = 0; v < RV; ++v) raw[v][chain] = FMA(CONVERT_FLOATV(CODE_IN_PLACE(words[v], i)), xi, raw[v][chain]);
      }
    }
#pragma unroll
    for (uint v = 0; v < RV; ++v) {
      const FLOATV sum = (raw[v][0] + raw[v][1]) + (raw[v][2] + raw[v][3]);
      const FLOATV zero = zero_points(qzeros, row + v * VW, group, a.groups);
      const FLOATV scale = LOADV_HALF(scales, scale_start(row + v * VW, group, a.groups));
      acc[v] = FMA(scale, FMA(-zero, (FLOATV)(x_sums[group]), sum), acc[v]);
#pragma unroll
      for (uint s = 0; s < CHAINS; ++s) raw[v][s] = (FLOATV)(0.0f);
    }
    for (uint r = group * group_ranks; r < min((group + 1) * group_ranks, a.rank); ++r) {
#pragma unroll
      for (uint v = 0; v < RV; ++v) acc[v] = FMA(LOADV_HALF(lora_B_t, (size_t)r * a.padded_rows + v * VW), (FLOATV)(lora_t[r]), acc[v]);
    }
  }
#if KS > 1
  local float parts[KS][ROWS][LS];
  const uint lane = get_local_id(0);
#pragma unroll
  for (uint v = 0; v < RV; ++v) store_lanes(&parts[slice][v * VW][lane], LS, acc[v]);
  barrier(CLK_LOCAL_MEM_FENCE);
  if (wanted_row >= a.padded_rows) return;
  for (uint r = slice; r < ROWS; r += KS) {
    if (row + r >= a.out_features) continue;
    float sum = parts[0][r][lane];
    for (uint s = 1; s < KS; ++s) sum += parts[s][r][lane];
    STORE(Y_HALF)(y, a.y + (size_t)token * a.out_features + row + r, sum);
  }
#else
  if (wanted_row >= a.padded_rows) return;
#pragma unroll
  for (uint v = 0; v < RV; ++v) store_rows(y + a.y + (size_t)token * a.out_features, row + v * VW, a.out_features, acc[v]);
#endif
}
