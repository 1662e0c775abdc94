// attention: causal attention with grouped key/value heads, in tiles of BQ query rows by BK keys; scores
// never leave the work-group. A row is one (query, head): the rows of all heads that share a key/value head
// are tiled together, so each key is fetched once for them. Running maximum and sum per row as in
// FlashAttention (arXiv 2205.14135), in powers of two: scores are scaled by log2(e) first. Tiles with the
// most keys come first, because the last work-groups to start should be short ones.
// Meaning:   HEAD_DIM, HALF 0|1 (storage of q, k, v, out)
// Tunables:  as lib/attention_tile.h explains (own elements are rows, the others keys): VW (1) lanes, RB (1)
//            vectors per item, TR (8), TD (8); BK (16) keys per tile, divisible by TD * KC and by VS; in
//            registers: RB x KC (2) scores, RB x DC (8) sums of the output; DS (32), a multiple of VW,
//            VS (16)
// Needs:     OpenCL C 1.2; local memory as tile_bytes computes.   Launcher: src/ops/attention.cpp
#define FIRST_ROW ((get_num_groups(0) - 1 - get_group_id(0)) * BQ)

// Where the rows of this work-group's tile lie; computed with one division for all of them.
typedef struct Tile {
  // Of the first row: its query, and how many of the heads that share a key/value head come before its own.
  uint query, skipped;
  uint shared_by, last;  // heads per key/value head; last row of the tile that exists
  float inverse;         // 1 / shared_by
} Tile;

Tile tile_of(const AttentionArgs args) {
  Tile tile;
  tile.shared_by = args.heads / args.kv_heads;
  tile.query = FIRST_ROW / tile.shared_by;
  tile.skipped = FIRST_ROW % tile.shared_by;
  tile.last = args.num_queries * tile.shared_by - 1 - FIRST_ROW;
  tile.inverse = 1.0f / (float)tile.shared_by;
  return tile;
}

// Query of a row of the tile, relative to its first. Rows past the last one repeat it, so that no lane needs
// a test before the store. The quotient is exact: half a row away from a whole number, and far below 2^22.
uint query_of(const Tile tile, uint row) {
  return (uint)(((float)(tile.skipped + min(row, tile.last)) + 0.5f) * tile.inverse);
}

uint head_of(const Tile tile, uint row) {
  return tile.skipped + min(row, tile.last) - query_of(tile, row) * tile.shared_by;
}

// Keys a row sees: 0 .. this - 1.
uint keys_seen(const AttentionArgs args, const Tile tile, uint row) {
  return args.num_keys - args.num_queries + tile.query + query_of(tile, row) + 1;
}

// Copies `vectors` vectors of keys (or values) first .. first + count - 1 of this work-group's head to local
// memory, beginning at dimension d0; zeros past the last key and the last dimension.
void stage(const AttentionArgs args, global const STORED(HALF)* from, uint first, uint count, uint d0,
           uint vectors, uint stride, local float* tile) {
  for (uint i = get_local_id(0); i < count * vectors; i += WG) {
    const uint key = i / vectors, at = i % vectors * VW;
    global const STORED(HALF)* row =
        from + ((ulong)(first + key) * args.kv_heads + get_group_id(1)) * HEAD_DIM;
    FETCH(row + (ulong)count * args.kv_heads * HEAD_DIM + d0 + at);
    FLOATV value = 0.0f;
    if (first + key < args.num_keys) value = load_dims(row, d0 + at);
    STOREV(tile, key * stride + at, value);
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void attention_fwd(const AttentionArgs args, global const STORED(HALF)* restrict q,
                   global const STORED(HALF)* restrict k, global const STORED(HALF)* restrict v,
                   global STORED(HALF)* restrict out, global float* restrict lse) {
  local FLOATV q_tile[CHUNK_DIMS * OWN_VECTORS];  // holds the output at the end
  local FLOATV p_tile[BK * OWN_VECTORS];          // scores, then their exponentials
  local FLOATV per_row[TD * OWN_VECTORS];
  local float kv_tile[OTHERS_TILE];
  local ulong row_begin[BQ];
  const uint lid = get_local_id(0), tr = lid % TR, td = lid / TR;
  const Tile tile = tile_of(args);

  for (uint row = lid; row < BQ; row += WG) {
    const uint head = get_group_id(1) * tile.shared_by + head_of(tile, row);
    row_begin[row] = ((ulong)(tile.query + query_of(tile, row)) * args.heads + head) * HEAD_DIM;
  }
  UINTV limit[RB];
  UNROLL for (uint r = 0; r < RB; ++r) {
    uint lanes[VW];
    for (uint lane = 0; lane < VW; ++lane) lanes[lane] = keys_seen(args, tile, (r * TR + tr) * VW + lane);
    limit[r] = LOADV_UINT(lanes, 0);
  }
  const uint keys_for_all = keys_seen(args, tile, 0), keys_for_any = keys_seen(args, tile, BQ - 1);

  FLOATV acc[RB * DIMS], row_max[RB], row_sum[RB];
  for (uint i = 0; i < RB * DIMS; ++i) acc[i] = 0.0f;
  // Finite, so that the difference of two maxima is never NaN.
  for (uint r = 0; r < RB; ++r) row_max[r] = -1e30f;
  for (uint r = 0; r < RB; ++r) row_sum[r] = 0.0f;

  for (uint first = 0; first < keys_for_any; first += BK) {
    FLOATV new_max[RB], shrink[RB];
    UNROLL for (uint r = 0; r < RB; ++r) new_max[r] = row_max[r];
    for (uint key0 = 0; key0 < BK; key0 += ROUND) {
      FLOATV score[RB * KC];
      UNROLL for (uint i = 0; i < RB * KC; ++i) score[i] = 0.0f;
      for (uint d0 = 0; d0 < HEAD_DIM; d0 += CHUNK_DIMS) {
        SYNC();
        if (CHUNK_DIMS < HEAD_DIM || first + key0 == 0)
          stage_own(q + args.q_offset, row_begin, d0, args.scale * LOG2_E, q_tile);
        stage(args, k + args.k_offset, first + key0, ROUND, d0, CHUNK_VECTORS, SCORE_STRIDE, kv_tile);
        SYNC();
        ADD_SCORES(score, q_tile, kv_tile, d0);
      }
      UNROLL for (uint i = 0; i < KC; ++i) {
        const uint key = key0 + i * TD + td;
        UNROLL for (uint r = 0; r < RB; ++r) {
          FLOATV s = score[r * KC + i];
          if (first + key >= keys_for_all) s = (UINTV)(first + key) < limit[r] ? s : (FLOATV)(-INFINITY);
          new_max[r] = larger(new_max[r], s);
          p_tile[key * OWN_VECTORS + r * TR + tr] = s;
        }
      }
    }
    UNROLL for (uint r = 0; r < RB; ++r) per_row[td * OWN_VECTORS + r * TR + tr] = new_max[r];
    SYNC();
    UNROLL for (uint r = 0; r < RB; ++r) {
      UNROLL_STEPS for (uint i = 0; i < TD; ++i)
        new_max[r] = larger(new_max[r], per_row[i * OWN_VECTORS + r * TR + tr]);
      shrink[r] = exp2_of_negative(row_max[r] - new_max[r]);
      row_max[r] = new_max[r];
      row_sum[r] *= shrink[r];
    }
    for (uint key = td; key < BK; key += TD) {
      UNROLL for (uint r = 0; r < RB; ++r) {
        const FLOATV p = exp2_of_negative(p_tile[key * OWN_VECTORS + r * TR + tr] - row_max[r]);
        row_sum[r] += p;
        p_tile[key * OWN_VECTORS + r * TR + tr] = p;
      }
    }
    for (uint v0 = 0; v0 < BK; v0 += VS) {
      SYNC();
      stage(args, v + args.v_offset, first + v0, VS, 0, SUM_VECTORS, SUM_STRIDE, kv_tile);
      SYNC();
      ADD_WEIGHTED(acc, shrink, (p_tile + v0 * OWN_VECTORS), kv_tile);
      UNROLL for (uint r = 0; r < RB; ++r) shrink[r] = 1.0f;
    }
  }

  SYNC();
  UNROLL for (uint r = 0; r < RB; ++r) per_row[td * OWN_VECTORS + r * TR + tr] = row_sum[r];
  SYNC();
  FLOATV inverse[RB];
  UNROLL for (uint r = 0; r < RB; ++r) {
    row_sum[r] = 0.0f;
    for (uint i = 0; i < TD; ++i) row_sum[r] += per_row[i * OWN_VECTORS + r * TR + tr];
    inverse[r] = 1.0f / row_sum[r];
  }
  STORE_RESULT(acc, inverse, q_tile, row_begin, tile.last, out + args.out_offset);
  if (!args.write_lse || td != 0) return;
  UNROLL for (uint r = 0; r < RB; ++r) {
    float lanes[VW];
    STOREV(lanes, 0, (row_max[r] + log2(row_sum[r])) * LN_2);
    for (uint lane = 0; lane < VW; ++lane) {
      const uint row = (r * TR + tr) * VW + lane;
      if (row > tile.last) break;
      const ulong head = get_group_id(1) * tile.shared_by + head_of(tile, row);
      lse[args.lse_offset + head * args.num_queries + tile.query + query_of(tile, row)] = lanes[lane];
    }
  }
}
