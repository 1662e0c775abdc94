// qgemm_bwd: dx = dy dequant(w) + t A for blocks of TOKENS tokens. A work-item owns NV * VW neighbouring
// input features of one block of tokens and walks down the rows: the lanes of a vector are the features that
// share a row's words, so that nothing is summed across lanes. Rows are added in ascending order (per slice,
// if KS > 1 work-items share them; slices then add up in order), LoRA's ranks follow as further rows: the
// result of a token depends neither on TOKENS nor on how many tokens there are.
// Meaning:   BITS 2|3|4|8   ALIGNED 1: group_size is a multiple of 32   TOKENS   Y_HALF 0|1: storage of dx
// Tunables:  VW vector width, NV vectors of features per work-item, LS work-items along features (LS * NV *
//            VW divides 32), KS along rows, AHEAD blocks of rows to fetch in advance
// Needs:     OpenCL C 1.2; local memory 4 * KS * (32 * (2 + BITS) + LS * TOKENS * VW * NV) bytes.
//            Launcher: src/ops/qgemm_bwd.cpp
#define FEATURES (VW * NV)

// The words of one chunk of 32 rows. Several work-items bring them into local memory, each its own rows: one
// coalesced read, and grid values computed once. A single one reads them where they are.
#if LS > 1
#define WORDS local const uint*
#else
#define WORDS global const uint*
#endif

// Codes of the VW features from feature `first` of the chunk on, in row r of the block.
UINTV row_codes(WORDS words, uint r, uint first) {
#if BITS == 3
  const UINTV low = (UINTV)(words[first / 16 * ROW_BLOCK + r]) >> (2 * (LANES + first % 16)) & 3u;
  return low | ((UINTV)(words[2 * ROW_BLOCK + r]) >> (LANES + first) & 1u) << 2;
#else
  words += first / PART * ROW_BLOCK + r;
#if BITS == 8 && VW == 16
  const UINTV shared = (uint16)((uint4)(words[0]), (uint4)(words[ROW_BLOCK]), (uint4)(words[2 * ROW_BLOCK]),
                                (uint4)(words[3 * ROW_BLOCK]));
#elif BITS == 8 && VW == 8
  const UINTV shared = (uint8)((uint4)(words[0]), (uint4)(words[ROW_BLOCK]));
#elif BITS == 4 && VW == 16
  const UINTV shared = (uint16)((uint8)(words[0]), (uint8)(words[ROW_BLOCK]));
#else
  const UINTV shared = (UINTV)(words[0]);
#endif
  return shared >> (BITS * ((LANES + first) % PART)) & CODE_MASK;
#endif
}

// VW values of a row of A from column k on, zeros past its end.
FLOATV load_columns(global const half* row, uint k, uint columns) {
  if (k + VW <= columns) return LOADV_HALF(row, k);
  float lanes[VW];
  for (uint l = 0; l < VW; ++l) lanes[l] = k + l < columns ? vload_half(k + l, row) : 0.0f;
  return LOADV(lanes, 0);
}

kernel __attribute__((reqd_work_group_size(LS, KS, 1)))
void qgemm_bwd(const QmatmulBwdArgs a, global const uint* restrict qweight,
               global const half* restrict scales, global const uint* restrict qzeros,
               global const float* restrict dy, global const float* restrict lora_t,
               global const half* restrict lora_A, global STORED(Y_HALF)* restrict dx) {
  const uint slice = get_local_id(1), block = get_global_id(2);
  const uint k = get_global_id(0) * FEATURES, first = k % CHUNK;
  qweight += a.qweight;
  scales += a.scales;
  qzeros += a.qzeros;
  dy += a.dy + (size_t)block * a.padded_rows * TOKENS;
  lora_t += a.lora_t + (size_t)block * a.rank * TOKENS;
  lora_A += a.lora_A;

  FLOATV acc[TOKENS][NV];
#pragma unroll
  for (uint m = 0; m < TOKENS; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) acc[m][v] = (FLOATV)(0.0f);

#if ALIGNED
  // GRIDs of the rows of a block.
  local float scale_of[KS][ROW_BLOCK], offset_of[KS][ROW_BLOCK];
  const uint group = k / a.group_size;                            // of all features of the work-group
#endif
#if LS > 1
  local uint staged[KS][BITS * ROW_BLOCK];
#endif
  const uint blocks = a.padded_rows / ROW_BLOCK, slice_blocks = (blocks + KS - 1) / KS;
  for (uint i = 0; i < slice_blocks; ++i) {  // as often in every slice: there is a barrier inside
    const uint row_block = min(slice * slice_blocks + i, blocks - 1), row0 = row_block * ROW_BLOCK;
    const uint rows = slice * slice_blocks + i < blocks ? ROW_BLOCK : 0;
    global const uint* stored = qweight + chunk_start(row0, k / CHUNK, a.chunks);
#if ALIGNED
#pragma unroll
    for (uint n = 0; n < ROW_BLOCK / (LS * VW); ++n) {
      const uint r = (n * LS + get_local_id(0)) * VW;
      GRID grid;
      LOAD_GRID(grid, scales, qzeros, row0 + r, group, a.groups);
      STOREV(scale_of[slice], r, grid.scale);
      STOREV(offset_of[slice], r, grid.offset);
    }
#endif
#if LS > 1
    for (uint w = get_local_id(0); w < BITS * ROW_BLOCK; w += LS) staged[slice][w] = stored[w];
    barrier(CLK_LOCAL_MEM_FENCE);
    WORDS words = staged[slice];
#else
    WORDS words = stored;
    // The same chunk of the blocks of rows to come lies far away.
#pragma unroll
    for (uint w = 0; w < BITS * ROW_BLOCK; w += 16)
      FETCH(stored + AHEAD * (size_t)a.chunks * BITS * ROW_BLOCK + w);
#endif
    global const float* dy_rows = dy + (size_t)row0 * TOKENS;
    for (uint r = 0; r < rows; ++r) {
      SHARED_FLOATS(values, dy_rows + r * TOKENS, TOKENS);
      FLOATV weight[NV];
#pragma unroll
      for (uint v = 0; v < NV; ++v) {
#if ALIGNED
        GRID grid;
        grid.scale = (FLOATV)(scale_of[slice][r]);
        grid.offset = (FLOATV)(offset_of[slice][r]);
#else
        const GRID grid =
            lane_grid(scales, qzeros, row0 + r, k + v * VW, a.in_features, a.group_size, a.groups);
#endif
        weight[v] = VALUE(row_codes(words, r, first + v * VW), grid);
      }
#pragma unroll
      for (uint m = 0; m < TOKENS; ++m)
#pragma unroll
        for (uint v = 0; v < NV; ++v) acc[m][v] = FMA(weight[v], (FLOATV)(values[m]), acc[m][v]);
    }
#if LS > 1
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
  }
  for (uint r = slice; r < a.rank; r += KS) {
#pragma unroll
    for (uint v = 0; v < NV; ++v) {
      const FLOATV column = load_columns(lora_A + (size_t)r * a.in_features, k + v * VW, a.in_features);
#pragma unroll
      for (uint m = 0; m < TOKENS; ++m) acc[m][v] = FMA(column, (FLOATV)(lora_t[r * TOKENS + m]), acc[m][v]);
    }
  }

#if KS > 1
  local float parts[KS][TOKENS][FEATURES][LS];
  const uint lane = get_local_id(0);
#pragma unroll
  for (uint m = 0; m < TOKENS; ++m)
#pragma unroll
    for (uint v = 0; v < NV; ++v) store_lanes(&parts[slice][m][v * VW][lane], LS, acc[m][v]);
  barrier(CLK_LOCAL_MEM_FENCE);
  // The slices share the additions: each sums its own features and tokens over all slices, in order.
  for (uint i = slice; i < TOKENS * FEATURES; i += KS) {
    const uint m = i / FEATURES, f = i % FEATURES, token = block * TOKENS + m;
    if (token >= a.num_tokens || k + f >= a.in_features) continue;
    float sum = parts[0][m][f][lane];
    for (uint s = 1; s < KS; ++s) sum += parts[s][m][f][lane];
    STORE(Y_HALF)(dx, a.dx + (size_t)token * a.in_features + k + f, sum);
  }
#else
#pragma unroll
  for (uint m = 0; m < TOKENS; ++m) {
    const uint token = block * TOKENS + m;
    if (token < a.num_tokens) {
#pragma unroll
      for (uint v = 0; v < NV; ++v)
        store_rows(dx + a.dx + (size_t)token * a.in_features, k + v * VW, a.in_features, acc[m][v]);
    }
  }
#endif
}
