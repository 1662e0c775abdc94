// qgemm: y = x dequant(w)^T + t B^T for blocks of TOKENS tokens. A work-item owns RV * VW neighbouring output
// rows of one block of tokens: each weight is unpacked once in registers and used TOKENS times. Features are
// added in ascending order (per slice, if KS > 1 work-items share them; slices then add up in order), LoRA's
// ranks follow as further features: the result of a token depends neither on TOKENS nor on how many tokens
// there are.
// Meaning:   BITS 2|3|4|8   ALIGNED 1: group_size is a multiple of 32   TOKENS   Y_HALF 0|1
// Tunables:  VW vector width, RV vectors of rows per work-item (VW * RV divides 32), LS work-items along
//            rows, KS along features
// Needs:     OpenCL C 1.2; local memory 4 * LS * KS * VW * RV * TOKENS bytes if KS > 1.
//            Launcher: src/ops/qgemm.cpp
#define ROWS (VW * RV)

kernel __attribute__((reqd_work_group_size(LS, KS, 1)))
void qgemm(const QmatmulArgs a, global const uint* restrict qweight, global const half* restrict scales,
           global const uint* restrict qzeros, global const float* restrict x,
           global const float* restrict lora_t, global const half* restrict lora_B_t,
           global STORED(Y_HALF)* restrict y) {
  const uint wanted_row = get_global_id(0) * ROWS;
  const uint row = min(wanted_row, a.padded_rows - ROWS);  // no early return: there may be a barrier below
  const uint slice = get_local_id(1), block = get_global_id(2);
  qweight += a.qweight + chunk_start(row, 0, a.chunks);
  scales += a.scales;
  qzeros += a.qzeros;
  x += a.x + (size_t)block * a.chunks * CHUNK * TOKENS;
  lora_t += a.lora_t + (size_t)block * a.rank * TOKENS;
  lora_B_t += a.lora_B_t + row;

  FLOATV acc[TOKENS][RV];
#pragma unroll
  for (uint m = 0; m < TOKENS; ++m)
#pragma unroll
    for (uint v = 0; v < RV; ++v) acc[m][v] = (FLOATV)(0.0f);

  // A slice is a run of whole groups.
  const uint slice_groups = (a.groups + KS - 1) / KS;
  for (uint group = slice * slice_groups; group < min((slice + 1) * slice_groups, a.groups); ++group) {
    GRID grid[RV];
#pragma unroll
    for (uint v = 0; v < RV; ++v) LOAD_GRID(grid[v], scales, qzeros, row + v * VW, group, a.groups);
    const uint first = group * a.group_size, last = first + a.group_size;
    for (uint part = first / PART; part * PART < last; ++part) {
      UINTV words[RV][PART_WORDS];
#pragma unroll
      for (uint v = 0; v < RV; ++v) LOAD_PART(words[v], qweight + v * VW, part);
      global const float* xk = x + (size_t)part * PART * TOKENS;
      // A group that begins or ends inside a part takes its features only; ALIGNED ones take all, unrolled.
#if ALIGNED
#pragma unroll
      for (uint i = 0; i < PART; ++i) {
#else
      for (uint i = max(first, part * PART) - part * PART; i < min(last - part * PART, PART); ++i) {
#endif
        SHARED_FLOATS(values, xk + i * TOKENS, TOKENS);
        FLOATV weight[RV];
#pragma unroll
        for (uint v = 0; v < RV; ++v) weight[v] = VALUE(CODE(words[v], i), grid[v]);
#pragma unroll
        for (uint m = 0; m < TOKENS; ++m)
#pragma unroll
          for (uint v = 0; v < RV; ++v) acc[m][v] = FMA(weight[v], (FLOATV)(values[m]), acc[m][v]);
      }
    }
  }
  for (uint r = slice; r < a.rank; r += KS) {
#pragma unroll
    for (uint v = 0; v < RV; ++v) {
      const FLOATV b = LOADV_HALF(lora_B_t, (size_t)r * a.padded_rows + v * VW);
#pragma unroll
      for (uint m = 0; m < TOKENS; ++m) acc[m][v] = FMA(b, (FLOATV)(lora_t[r * TOKENS + m]), acc[m][v]);
    }
  }

#if KS > 1
  local float parts[KS][TOKENS][ROWS][LS];
  const uint lane = get_local_id(0);
#pragma unroll
  for (uint m = 0; m < TOKENS; ++m)
#pragma unroll
    for (uint v = 0; v < RV; ++v) store_lanes(&parts[slice][m][v * VW][lane], LS, acc[m][v]);
  barrier(CLK_LOCAL_MEM_FENCE);
  if (wanted_row >= a.padded_rows) return;
  // The slices share the additions: each sums its own rows and tokens over all slices, in order.
  for (uint i = slice; i < TOKENS * ROWS; i += KS) {
    const uint m = i / ROWS, r = i % ROWS, token = block * TOKENS + m;
    if (token >= a.num_tokens || row + r >= a.out_features) continue;
    float sum = parts[0][m][r][lane];
    for (uint s = 1; s < KS; ++s) sum += parts[s][m][r][lane];
    STORE(Y_HALF)(y, a.y + (size_t)token * a.out_features + row + r, sum);
  }
#else
  if (wanted_row >= a.padded_rows) return;
#pragma unroll
  for (uint m = 0; m < TOKENS; ++m) {
    const uint token = block * TOKENS + m;
    if (token < a.num_tokens) {
#pragma unroll
      for (uint v = 0; v < RV; ++v)
        store_rows(y + a.y + (size_t)token * a.out_features, row + v * VW, a.out_features, acc[m][v]);
    }
  }
#endif
}
