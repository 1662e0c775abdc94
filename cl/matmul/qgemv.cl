// qgemv: y = x dequant(w)^T + t B^T for one token per work-group row: lib/qgemv_rows.h with the features
// shared by KS work-items.
// Meaning:   BITS 2|3|4|8   ALIGNED 1: group_size is a multiple of 32   Y_HALF 0|1
// Tunables:  VW vector width, RV vectors of rows per work-item, LS work-items along rows, KS along features
// Needs:     OpenCL C 1.2; local memory 4 * LS * KS * VW * RV bytes if KS > 1.   Launcher: src/ops/qgemv.cpp
#define ROWS (VW * RV)

kernel __attribute__((reqd_work_group_size(LS, KS, 1)))
void qgemv(const QmatmulArgs a, global const uint* restrict qweight, global const half* restrict scales,
           global const uint* restrict qzeros, global const float* restrict x,
           global const float* restrict x_sums, global const float* restrict lora_t,
           global const half* restrict lora_B_t, global STORED(Y_HALF)* restrict y) {
  const uint row = get_global_id(0) * ROWS;
  const uint slice = get_local_id(1), token = get_global_id(2);
  // A slice is a run of whole groups: x_sums enters once per group, whoever owns it.
  const uint slice_groups = (a.groups + KS - 1) / KS;
  FLOATV acc[RV];
#pragma unroll
  for (uint v = 0; v < RV; ++v) acc[v] = (FLOATV)(0.0f);
  qgemv_rows(acc, a, row, slice * slice_groups, min((slice + 1) * slice_groups, a.groups), qweight, scales,
             qzeros, x + a.x + (size_t)token * a.chunks * CHUNK, x_sums + a.x_sums + (size_t)token * a.groups,
             lora_t + a.lora_t + (size_t)token * a.rank, lora_B_t);
#if KS > 1
  local float parts[KS][ROWS][LS];
  const uint lane = get_local_id(0);
#pragma unroll
  for (uint v = 0; v < RV; ++v) store_lanes(&parts[slice][v * VW][lane], LS, acc[v]);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint r = slice; r < ROWS; r += KS) {
    if (row + r >= a.out_features) continue;
    float sum = parts[0][r][lane];
    for (uint s = 1; s < KS; ++s) sum += parts[s][r][lane];
    STORE(Y_HALF)(y, a.y + (size_t)token * a.out_features + row + r, sum);
  }
#else
#pragma unroll
  for (uint v = 0; v < RV; ++v)
    store_rows(y + a.y + (size_t)token * a.out_features, row + v * VW, a.out_features, acc[v]);
#endif
}
