// attention_bwd: gradients of causal attention with grouped key/value heads for devices whose work-items have
// vectors and a cache, CPUs: in tiles of BQ query rows by BK keys that never leave the work-item
// (FlashAttention-2, arXiv 2307.08691, with rows outside and keys inside). A row is one (query, head), as in
// attention.cl: the rows of all heads that share a key/value head are tiled together. A work-item takes every
// chunks-th row tile of its head, last one first. For each it walks over the keys once, five products a tile:
//   p = exp(scale q k - lse), ds = p (d_out v - delta), delta = sum(d_out out)     lanes are rows
//   d_q += ds k                                                                    lanes are rows
//   d_v += p d_out, d_k += ds scale q                                              lanes are dimensions
// d_q stays in the stack frame; the sums of d_k and d_v are in global memory, and belong to one chunk only,
// so nothing is atomic and the order is fixed; attention_bwd_sum adds the chunks up.
// Meaning:   HEAD_DIM, HALF 0|1 (storage of all tensors but lse and the sums)
// Tunables:  FORM (read by the launcher: 1 takes this kernel, 2 attention_bwd_tiles.cl); VW (1) rows in a
//            vector, RB (1) vectors of rows worked on at once; BK (16) keys per tile, divisible by KC and by
//            KEYS; in registers: RB x KC (2) scores, RB x DC (8) elements of d_q, KEYS (2) x DV (1) vectors
//            of d_k or d_v; SPAN (1) vectors per item of attention_bwd_sum
// Needs:     OpenCL C 1.2; local memory as tile_bytes computes.   Launcher: src/ops/attention_bwd.cpp
#define BQ (VW * RB)
#define DIMS ((HEAD_DIM + DC - 1) / DC * DC)  // dimensions of d_q, padded
#define VECTORS ((HEAD_DIM + VW - 1) / VW)
#define BLOCK_VECTORS (VECTORS % DV == 0 ? DV : 1)
#define ROW_STRIDE (VECTORS * VW)
#define KV_STRIDE (DIMS > ROW_STRIDE ? DIMS : ROW_STRIDE)
#define UNROLL _Pragma("unroll")

// sums[r * KC + i] = dot products of the r-th vector of rows (transposed) with key key0 + i, over all
// dimensions.
#define SCORE_TILE(sums, rows, keys)                                        \
  UNROLL for (uint i = 0; i < RB * KC; ++i) sums[i] = 0.0f;                 \
  for (uint d = 0; d < HEAD_DIM; ++d) {                                     \
    FLOATV row[RB];                                                         \
    UNROLL for (uint r = 0; r < RB; ++r) row[r] = rows[d * RB + r];         \
    UNROLL for (uint i = 0; i < KC; ++i) {                                  \
      const float of_key = keys[(key0 + i) * KV_STRIDE + d];                \
      UNROLL for (uint r = 0; r < RB; ++r)                                  \
        sums[r * KC + i] = FMA(row[r], (FLOATV)(of_key), sums[r * KC + i]); \
    }                                                                       \
  }

// Dimensions at .. at + VW - 1 of a row in global memory; zeros past HEAD_DIM.
FLOATV load_dims(global const STORED(HALF)* row, uint at) {
  if (HEAD_DIM % VW == 0 || at + VW <= HEAD_DIM) return LOADV_OF(HALF)(row, at);
  return LOADV_PART_OF(HALF)(row, at, HEAD_DIM - at, 0.0f);
}

// Rows of a tile times scale to local memory, one after another and transposed.
void stage_rows(global const STORED(HALF)* from, local const ulong* begin, float scale, local float* rows,
                local FLOATV* transposed) {
  for (uint r = 0; r < RB; ++r) {
    for (uint at = 0; at < HEAD_DIM; at += VW) {
      FLOATV square[VW];
      UNROLL_LANES for (uint lane = 0; lane < VW; ++lane)
        square[lane] = load_dims(from + begin[r * VW + lane], at) * scale;
      UNROLL_LANES for (uint lane = 0; lane < VW; ++lane)
        STOREV(rows, (r * VW + lane) * ROW_STRIDE + at, square[lane]);
      TRANSPOSE_SQUARE(square);
      UNROLL_LANES for (uint d = 0; d < VW; ++d) {
        if (at + d < HEAD_DIM) transposed[(at + d) * RB + r] = square[d];
      }
    }
  }
}

// Copies keys (or values) first .. first + BK - 1 of this work-group's head to local memory; zeros past the
// last one.
void stage(const AttentionBwdArgs args, global const STORED(HALF)* from, uint first, local float* tile) {
  for (uint i = 0; i < BK * VECTORS; ++i) {
    const uint key = i / VECTORS, at = i % VECTORS * VW;
    global const STORED(HALF)* row =
        from + ((ulong)(first + key) * args.kv_heads + get_group_id(1)) * HEAD_DIM;
    FETCH(row + (ulong)BK * args.kv_heads * HEAD_DIM + at);
    FLOATV value = 0.0f;
    if (first + key < args.num_tokens) value = load_dims(row, at);
    STOREV(tile, key * KV_STRIDE + at, value);
  }
}

// sums[key] += sum over the rows of the tile of weights[key][row] * rows[row], for keys first .. first + BK -
// 1 of this work-group's head.
// fresh: the sums have no value yet.
void add_rows(const AttentionBwdArgs args, local const float* weights, local const float* rows, uint first,
              bool fresh, global float* sums) {
  const uint across = VECTORS / BLOCK_VECTORS;
  for (uint block = 0; block < BK / KEYS * across; ++block) {
    const uint key0 = block / across * KEYS, vector0 = block % across * BLOCK_VECTORS;
    FLOATV sum[KEYS * BLOCK_VECTORS];
    UNROLL for (uint i = 0; i < KEYS * BLOCK_VECTORS; ++i) sum[i] = 0.0f;
    for (uint row = 0; row < BQ; ++row) {
      UNROLL for (uint j = 0; j < BLOCK_VECTORS; ++j) {
        const FLOATV x = LOADV(rows, row * ROW_STRIDE + (vector0 + j) * VW);
        UNROLL for (uint i = 0; i < KEYS; ++i) {
          sum[i * BLOCK_VECTORS + j] =
              FMA((FLOATV)(weights[(key0 + i) * BQ + row]), x, sum[i * BLOCK_VECTORS + j]);
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

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void attention_bwd(const AttentionBwdArgs args, global const STORED(HALF)* q,
                   global const STORED(HALF)* restrict k, global const STORED(HALF)* restrict v,
                   global const STORED(HALF)* out, global const float* restrict lse,
                   global const STORED(HALF)* d_out, global STORED(HALF)* d_q, global float* restrict k_sums,
                   global float* restrict v_sums) {
  local float q_rows[BQ * ROW_STRIDE], o_rows[BQ * ROW_STRIDE];  // scale * q, and d_out
  local FLOATV q_tile[HEAD_DIM * RB], o_tile[HEAD_DIM * RB];     // transposed
  local float k_tile[BK * KV_STRIDE], v_tile[BK * KV_STRIDE];
  local float p_tile[BK * BQ], s_tile[BK * BQ];  // p and ds
  local float row_lse[BQ], row_delta[BQ];
  local uint row_limit[BQ];  // how many keys the row sees
  local ulong row_begin[BQ];
  const uint shared_by = args.heads / args.kv_heads, rows = args.num_tokens * shared_by;
  const uint chunk = get_group_id(0);
  const uint last_tile = (rows + BQ - 1) / BQ - 1 - chunk;
  const ulong sums_begin = (ulong)chunk * args.num_tokens * args.kv_heads * HEAD_DIM;

  // Padding dimensions are summed and thrown away; they only must not be read uninitialised.
  for (uint key = 0; key < BK; ++key) {
    for (uint d = ROW_STRIDE; d < KV_STRIDE; ++d) k_tile[key * KV_STRIDE + d] = 0.0f;
  }

  for (uint tile = last_tile;; tile -= args.chunks) {
    for (uint i = 0; i < BQ; ++i) {
      const uint row = min(tile * BQ + i, rows - 1);  // rows past the last one repeat it, but see no key
      const uint head = get_group_id(1) * shared_by + row % shared_by;
      row_begin[i] = ((ulong)(row / shared_by) * args.heads + head) * HEAD_DIM;
      row_lse[i] = lse[args.lse_offset + (ulong)head * args.num_tokens + row / shared_by];
      row_limit[i] = tile * BQ + i < rows ? row / shared_by + 1 : 0;
    }
    stage_rows(q + args.q_offset, row_begin, args.scale, q_rows, q_tile);
    stage_rows(d_out + args.d_out_offset, row_begin, 1.0f, o_rows, o_tile);
    for (uint row = 0; row < BQ; ++row) {
      FLOATV sum = 0.0f;
      for (uint at = 0; at < HEAD_DIM; at += VW)
        sum = FMA(LOADV(o_rows, row * ROW_STRIDE + at), load_dims(out + args.out_offset + row_begin[row], at),
                  sum);
      row_delta[row] = SUMV(sum);
    }

    const bool fresh = tile == last_tile;
    const uint keys_for_all = min(row_limit[0], row_limit[BQ - 1]);
    // The first tile also gives the sums of keys that no row of this chunk sees their zeros.
    const uint keys_for_any = fresh ? args.num_tokens : (tile * BQ + BQ - 1) / shared_by + 1;
    FLOATV acc[RB * DIMS];
    for (uint i = 0; i < RB * DIMS; ++i) acc[i] = 0.0f;

    for (uint first = 0; first < keys_for_any; first += BK) {
      stage(args, k + args.k_offset, first, k_tile);
      stage(args, v + args.v_offset, first, v_tile);
      for (uint key0 = 0; key0 < BK; key0 += KC) {
        FLOATV score[RB * KC], dp[RB * KC];
        SCORE_TILE(score, q_tile, k_tile);
        SCORE_TILE(dp, o_tile, v_tile);
        UNROLL for (uint r = 0; r < RB; ++r) {
          const UINTV limit = LOADV_UINT(row_limit, r * VW);
          const FLOATV lane_lse = LOADV(row_lse, r * VW), delta = LOADV(row_delta, r * VW);
          UNROLL for (uint i = 0; i < KC; ++i) {
            const uint key = key0 + i;
            FLOATV exponent = (score[r * KC + i] - lane_lse) * LOG2_E;
            if (first + key >= keys_for_all)
              exponent = (UINTV)(first + key) < limit ? exponent : (FLOATV)(-INFINITY);
            const FLOATV p = exp2_of_negative(exponent);
            STOREV(p_tile, key * BQ + r * VW, p);
            STOREV(s_tile, key * BQ + r * VW, p * (dp[r * KC + i] - delta));
          }
        }
      }
      for (uint d0 = 0; d0 < DIMS; d0 += DC) {
        FLOATV sum[DC * RB];
        UNROLL for (uint i = 0; i < DC * RB; ++i) sum[i] = acc[d0 * RB + i];
        for (uint key = 0; key < BK; ++key) {
          FLOATV ds[RB];
          UNROLL for (uint r = 0; r < RB; ++r) ds[r] = LOADV(s_tile, key * BQ + r * VW);
          UNROLL for (uint i = 0; i < DC; ++i) {
            const float kd = k_tile[key * KV_STRIDE + d0 + i];
            UNROLL for (uint r = 0; r < RB; ++r) sum[i * RB + r] = FMA(ds[r], (FLOATV)(kd), sum[i * RB + r]);
          }
        }
        UNROLL for (uint i = 0; i < DC * RB; ++i) acc[d0 * RB + i] = sum[i];
      }
      add_rows(args, p_tile, o_rows, first, fresh, v_sums + args.v_sums_offset + sums_begin);
      add_rows(args, s_tile, q_rows, first, fresh, k_sums + args.k_sums_offset + sums_begin);
    }

    // d_q may lie where the rows came from.
    for (uint r = 0; r < RB; ++r) {
      for (uint at = 0; at < HEAD_DIM; at += VW) {
        FLOATV square[VW];
        UNROLL_LANES for (uint d = 0; d < VW; ++d)
          square[d] = at + d < HEAD_DIM ? acc[(at + d) * RB + r] * args.scale : (FLOATV)(0.0f);
        TRANSPOSE_SQUARE(square);
        UNROLL_LANES for (uint lane = 0; lane < VW; ++lane) {
          if (tile * BQ + r * VW + lane >= rows) continue;
          global STORED(HALF)* to = d_q + args.d_q_offset + row_begin[r * VW + lane];
          if (HEAD_DIM % VW == 0 || at + VW <= HEAD_DIM) {
            STOREV_OF(HALF)(to, at, square[lane]);
          } else {
            STOREV_PART_OF(HALF)(to, at, square[lane], HEAD_DIM - at);
          }
        }
      }
    }
    if (tile < args.chunks) break;
  }
}

// d_k (second dimension of the range 0) or d_v (1) = the sums of all chunks, in their order.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void attention_bwd_sum(const AttentionBwdSumArgs args, global const float* restrict k_sums,
                       global const float* restrict v_sums, global STORED(HALF)* restrict d_k,
                       global STORED(HALF)* restrict d_v) {
  const bool of_v = get_group_id(1) == 1;
  global const float* from = of_v ? v_sums + args.v_sums_offset : k_sums + args.k_sums_offset;
  global STORED(HALF)* to = of_v ? d_v + args.d_v_offset : d_k + args.d_k_offset;
  for (uint i = 0; i < SPAN; ++i) {
    const size_t at = ((size_t)get_group_id(0) * SPAN + i) * VW;
    if (at >= args.elements) break;
    FLOATV sum = 0.0f;
    if (at + VW <= args.elements) {
      for (uint chunk = 0; chunk < args.chunks; ++chunk)
        sum += LOADV(from, (size_t)chunk * args.elements + at);
      STOREV_OF(HALF)(to, at, sum);
    } else {
      for (uint chunk = 0; chunk < args.chunks; ++chunk)
        sum += LOADV_PART(from, (size_t)chunk * args.elements + at, args.elements - at, 0.0f);
      STOREV_PART_OF(HALF)(to, at, sum, args.elements - at);
    }
  }
}
