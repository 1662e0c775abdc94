// attention_bwd: gradients of causal attention with grouped key/value heads, in tiles of BQ query rows by BK keys that never leave the
// work-group (FlashAttention-2, arXiv 2307.08691, with rows outside and keys inside).
// A row is one (query, head), as in attention.cl: the rows of all heads that share a key/value head are tiled together. A work-group
// takes every chunks-th row tile of its head, last one first. For each it walks over the keys once, five products a tile:
//   p = exp(scale q k - lse), ds = p (d_out v - delta), delta = sum(d_out out)     lanes are rows, items share the keys
//   d_q += ds k                                                                    lanes are rows, items share the dimensions
//   d_v += p d_out, d_k += ds scale q                                              lanes are dimensions
// d_q stays in registers; the sums of d_k and d_v are in global memory, where an item always meets the same elements. They belong to one
// chunk only, so nothing is atomic and the order is fixed; attention_bwd_sum adds the chunks up.
// Meaning:   HEAD_DIM, HALF 0|1 (storage of all tensors but lse and the sums)
// Tunables:  VW (1) rows in a vector, RB (1) vectors an item works on at once, TR (8), TD (8): TR * TD items; BK (16) keys per tile,
//            divisible by TD * KC and by KEYS; in registers: RB x KC (2) scores, RB x DC (8) elements of d_q, KEYS (2) x DV (1) vectors of
//            d_k or d_v; SPAN (1) vectors per item of attention_bwd_sum
// Needs:     OpenCL C 1.2; local memory as tile_bytes computes.   Launcher: src/ops/attention_bwd.cpp
#define WG (TR * TD)
#define BQ (TR * VW * RB)
#define DIMS (((HEAD_DIM + TD - 1) / TD + DC - 1) / DC * DC)  // dimensions of d_q of one item, padded
#define VECTORS ((HEAD_DIM + VW - 1) / VW)
#define BLOCK_VECTORS (VECTORS % DV == 0 ? DV : 1)
#define PADDED_DIM (TD * DIMS > VECTORS * VW ? TD * DIMS : VECTORS * VW)
#if WG == 1
#define ROW_STRIDE (VECTORS * VW)
#define KV_STRIDE PADDED_DIM
#define SYNC()
#define SYNC_GLOBAL()
#define UNROLL_OUTER
#define ROWS(tile, d, row) LOADV(tile##_t, (d)*BQ + (row))  // a vector of rows, from the transposed copy
#else
#define ROW_STRIDE (VECTORS * VW + 1)  // odd: the items of a warp read different banks
#define KV_STRIDE (PADDED_DIM + 1)
#define SYNC() barrier(CLK_LOCAL_MEM_FENCE)
#define SYNC_GLOBAL() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define UNROLL_OUTER _Pragma("unroll")  // keeps the sums in registers
#define ROWS(tile, d, row) gather_rows(tile, d, row)
#endif
#define UNROLL _Pragma("unroll")

#if WG != 1
FLOATV gather_rows(local const float* tile, uint d, uint row) {
  float lanes[VW];
  UNROLL for (uint lane = 0; lane < VW; ++lane) lanes[lane] = tile[(row + lane) * ROW_STRIDE + d];
  return LOADV(lanes, 0);
}
#endif

#define ROW0(r) (((r)*TR + tr) * VW)  // first row of the item's r-th vector of rows

// sums[r * KC + i] = dot products of the item's rows with its keys key0 + i * TD + td, over all dimensions.
#define SCORE_TILE(sums, rows, keys)                                                                           \
  UNROLL for (uint i = 0; i < RB * KC; ++i) sums[i] = 0.0f;                                                    \
  for (uint d = 0; d < HEAD_DIM; ++d) {                                                                        \
    FLOATV row[RB];                                                                                            \
    UNROLL for (uint r = 0; r < RB; ++r) row[r] = ROWS(rows, d, ROW0(r));                                      \
    UNROLL for (uint i = 0; i < KC; ++i) {                                                                     \
      const float of_key = keys[(key0 + i * TD + td) * KV_STRIDE + d];                                         \
      UNROLL for (uint r = 0; r < RB; ++r) sums[r * KC + i] = FMA(row[r], (FLOATV)(of_key), sums[r * KC + i]); \
    }                                                                                                          \
  }

// Dimensions at .. at + VW - 1 of a row in global memory; zeros past HEAD_DIM.
FLOATV load_dims(global const STORED(HALF)* row, uint at) {
  if (HEAD_DIM % VW == 0 || at + VW <= HEAD_DIM) return LOADV_OF(HALF)(row, at);
  return LOADV_PART_OF(HALF)(row, at, HEAD_DIM - at, 0.0f);
}

// Copies keys (or values) first .. first + BK - 1 of this work-group's head to local memory; zeros past the last one.
void stage(const AttentionBwdArgs args, global const STORED(HALF)* from, uint first, local float* tile) {
  for (uint i = get_local_id(0); i < BK * VECTORS; i += WG) {
    const uint key = i / VECTORS, at = i % VECTORS * VW;
    FLOATV value = 0.0f;
    if (first + key < args.num_tokens) value = load_dims(from + ((ulong)(first + key) * args.kv_heads + get_group_id(1)) * HEAD_DIM, at);
    STOREV(tile, key * KV_STRIDE + at, value);
  }
}

// sums[key] += sum over the rows of the tile of weights[key][row] * rows[row], for keys first .. first + BK - 1 of this work-group's head.
// fresh: the sums have no value yet.
void add_rows(const AttentionBwdArgs args, local const float* weights, local const float* rows, uint first, bool fresh, global float* sums) {
  const uint across = VECTORS / BLOCK_VECTORS;
  for (uint block = get_local_id(0); block < BK / KEYS * across; block += WG) {
    const uint key0 = block / across * KEYS, vector0 = block % across * BLOCK_VECTORS;
    FLOATV sum[KEYS * BLOCK_VECTORS];
    UNROLL for (uint i = 0; i < KEYS * BLOCK_VECTORS; ++i) sum[i] = 0.0f;
    for (uint row = 0; row < BQ; ++row) {
      UNROLL for (uint j = 0; j < BLOCK_VECTORS; ++j) {
        const FLOATV x = LOADV(rows, row * ROW_STRIDE + (vector0 + j) * VW);
        UNROLL for (uint i = 0; i < KEYS; ++i) {
          sum[i * BLOCK_VECTORS + j] = FMA((FLOATV)(weights[(key0 + i) * BQ + row]), x, sum[i * BLOCK_VECTORS + j]);
        }
      }
    }
    UNROLL for (uint i = 0; i < KEYS; ++i) {
      if (first + key0 + i >= args.num_tokens) break;
      global float* to = sums + ((ulong)(first + key0 + i) * args.kv_heads + get_group_id(1)) * HEAD_DIM;
      UNROLL for (uint j = 0; j < BLOCK_VECTORS; ++j) {
        const uint at = (vector0 + j) * VW;
        const FLOATV value = sum[i * BLOCK_VECTORS + j];
        if (HEAD_DIM % VW == 0 || at + VW <= HEAD_DIM) {
          STOREV(to, at, fresh ? value : value + LOADV(to, at));
        } else {
          STOREV_PART(to, at, fresh ? value : value + LOADV_PART(to, at, HEAD_DIM - at, 0.0f), HEAD_DIM - at);
        }
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void attention_bwd(const AttentionBwdArgs args, global const STORED(HALF)* q, global const STORED(HALF)* restrict k,
                   global const STORED(HALF)* restrict v, global const STORED(HALF)* out, global const float* restrict lse,
                   global const STORED(HALF)* d_out, global STORED(HALF)* d_q, global float* restrict k_sums, global float* restrict v_sums) {
  local float q_tile[BQ * ROW_STRIDE], o_tile[BQ * ROW_STRIDE];  // scale * q (d_q at the end), and d_out
#if WG == 1
  local float q_tile_t[HEAD_DIM * BQ], o_tile_t[HEAD_DIM * BQ];
#endif
  local float k_tile[BK * KV_STRIDE], v_tile[BK * KV_STRIDE];
  local float p_tile[BK * BQ], s_tile[BK * BQ];  // p and ds
  local float row_lse[BQ], row_delta[BQ];
  local uint row_limit[BQ];  // how many keys the row sees
  local ulong row_begin[BQ];
  const uint lid = get_local_id(0), tr = lid % TR, td = lid / TR;
  const uint shared_by = args.heads / args.kv_heads, rows = args.num_tokens * shared_by;
  const uint chunk = get_group_id(0);
  const uint last_tile = (rows + BQ - 1) / BQ - 1 - chunk;
  const ulong sums_begin = (ulong)chunk * args.num_tokens * args.kv_heads * HEAD_DIM;

  // Padding dimensions are summed and thrown away; they only must not be read uninitialised.
  for (uint key = lid; key < BK; key += WG) {
    for (uint d = VECTORS * VW; d < KV_STRIDE; ++d) k_tile[key * KV_STRIDE + d] = 0.0f;
  }

  for (uint tile = last_tile;; tile -= args.chunks) {
    for (uint i = lid; i < BQ; i += WG) {
      const uint row = min(tile * BQ + i, rows - 1);  // rows past the last one repeat it, but see no key
      const uint head = get_group_id(1) * shared_by + row % shared_by;
      row_begin[i] = ((ulong)(row / shared_by) * args.heads + head) * HEAD_DIM;
      row_lse[i] = lse[args.lse_offset + (ulong)head * args.num_tokens + row / shared_by];
      row_limit[i] = tile * BQ + i < rows ? row / shared_by + 1 : 0;
    }
    SYNC();
    for (uint i = lid; i < BQ * VECTORS; i += WG) {
      const uint row = i / VECTORS, at = i % VECTORS * VW;
      STOREV(q_tile, row * ROW_STRIDE + at, load_dims(q + args.q_offset + row_begin[row], at) * args.scale);
      STOREV(o_tile, row * ROW_STRIDE + at, load_dims(d_out + args.d_out_offset + row_begin[row], at));
    }
    SYNC();
    for (uint row = lid; row < BQ; row += WG) {
      FLOATV sum = 0.0f;
      for (uint at = 0; at < HEAD_DIM; at += VW)
        sum = FMA(LOADV(o_tile, row * ROW_STRIDE + at), load_dims(out + args.out_offset + row_begin[row], at), sum);
      row_delta[row] = SUMV(sum);
    }
#if WG == 1
    for (uint row = 0; row < BQ; ++row) {
      for (uint d = 0; d < HEAD_DIM; ++d) {
        q_tile_t[d * BQ + row] = q_tile[row * ROW_STRIDE + d];
        o_tile_t[d * BQ + row] = o_tile[row * ROW_STRIDE + d];
      }
    }
#endif
    SYNC();

    const bool fresh = tile == last_tile;
    const uint keys_for_all = min(row_limit[0], row_limit[BQ - 1]);
    // The first tile also gives the sums of keys that no row of this chunk sees their zeros.
    const uint keys_for_any = fresh ? args.num_tokens : (tile * BQ + BQ - 1) / shared_by + 1;
    FLOATV acc[RB * DIMS];
    for (uint i = 0; i < RB * DIMS; ++i) acc[i] = 0.0f;

    for (uint first = 0; first < keys_for_any; first += BK) {
      stage(args, k + args.k_offset, first, k_tile);
      stage(args, v + args.v_offset, first, v_tile);
      SYNC();
      for (uint key0 = 0; key0 < BK; key0 += TD * KC) {
        FLOATV score[RB * KC], dp[RB * KC];
        SCORE_TILE(score, q_tile, k_tile);
        SCORE_TILE(dp, o_tile, v_tile);
        UNROLL for (uint r = 0; r < RB; ++r) {
          const uint row0 = ROW0(r);
          const UINTV limit = LOADV_UINT(row_limit, row0);
          const FLOATV lane_lse = LOADV(row_lse, row0), delta = LOADV(row_delta, row0);
          UNROLL for (uint i = 0; i < KC; ++i) {
            const uint key = key0 + i * TD + td;
            FLOATV p = exp(score[r * KC + i] - lane_lse);
            if (first + key >= keys_for_all) p = (UINTV)(first + key) < limit ? p : (FLOATV)(0.0f);
            STOREV(p_tile, key * BQ + row0, p);
            STOREV(s_tile, key * BQ + row0, p * (dp[r * KC + i] - delta));
          }
        }
      }
      SYNC();
      UNROLL_OUTER for (uint d0 = 0; d0 < DIMS; d0 += DC) {
        FLOATV sum[DC * RB];
        UNROLL for (uint i = 0; i < DC * RB; ++i) sum[i] = acc[d0 * RB + i];
        for (uint key = 0; key < BK; ++key) {
          FLOATV ds[RB];
          UNROLL for (uint r = 0; r < RB; ++r) ds[r] = LOADV(s_tile, key * BQ + ROW0(r));
          UNROLL for (uint i = 0; i < DC; ++i) {
            const float kd = k_tile[key * KV_STRIDE + (d0 + i) * TD + td];
            UNROLL for (uint r = 0; r < RB; ++r) sum[i * RB + r] = FMA(ds[r], (FLOATV)(kd), sum[i * RB + r]);
          }
        }
        UNROLL for (uint i = 0; i < DC * RB; ++i) acc[d0 * RB + i] = sum[i];
      }
      add_rows(args, p_tile, o_tile, first, fresh, v_sums + args.v_sums_offset + sums_begin);
      add_rows(args, s_tile, q_tile, first, fresh, k_sums + args.k_sums_offset + sums_begin);
      SYNC();
    }

    UNROLL_OUTER for (uint i = 0; i < RB * DIMS; ++i) {
      const uint row0 = ROW0(i % RB), d = i / RB * TD + td;
      if (d >= HEAD_DIM) continue;
      float lanes[VW];
      STOREV(lanes, 0, acc[i] * args.scale);
      UNROLL for (uint lane = 0; lane < VW; ++lane) q_tile[(row0 + lane) * ROW_STRIDE + d] = lanes[lane];
    }
    SYNC_GLOBAL();  // d_q may lie where the rows came from
    for (uint i = lid; i < BQ * VECTORS; i += WG) {
      const uint row = i / VECTORS, at = i % VECTORS * VW;
      if (tile * BQ + row >= rows) break;
      const FLOATV value = LOADV(q_tile, row * ROW_STRIDE + at);
      global STORED(HALF)* to = d_q + args.d_q_offset + row_begin[row];
      if (HEAD_DIM % VW == 0 || at + VW <= HEAD_DIM) {
        STOREV_OF(HALF)(to, at, value);
      } else {
        STOREV_PART_OF(HALF)(to, at, value, HEAD_DIM - at);
      }
    }
    if (tile < args.chunks) break;
    SYNC();
  }
}

// d_k (second dimension of the range 0) or d_v (1) = the sums of all chunks, in their order.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void attention_bwd_sum(const AttentionBwdSumArgs args, global const float* restrict k_sums, global const float* restrict v_sums,
                       global STORED(HALF)* restrict d_k, global STORED(HALF)* restrict d_v) {
  const bool of_v = get_group_id(1) == 1;
  global const float* from = of_v ? v_sums + args.v_sums_offset : k_sums + args.k_sums_offset;
  global STORED(HALF)* to = of_v ? d_v + args.d_v_offset : d_k + args.d_k_offset;
  for (uint i = 0; i < SPAN; ++i) {
    const size_t at = (((size_t)get_group_id(0) * SPAN + i) * WG + get_local_id(0)) * VW;
    if (at >= args.elements) break;
    FLOATV sum = 0.0f;
    if (at + VW <= args.elements) {
      for (uint chunk = 0; chunk < args.chunks; ++chunk) sum += LOADV(from, (size_t)chunk * args.elements + at);
      STOREV_OF(HALF)(to, at, sum);
    } else {
      for (uint chunk = 0; chunk < args.chunks; ++chunk) sum += LOADV_PART(from, (size_t)chunk * args.elements + at, args.elements - at, 0.0f);
      STOREV_PART_OF(HALF)(to, at, sum, args.elements - at);
    }
  }
}
