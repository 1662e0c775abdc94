// attention: causal attention with grouped key/value heads, in tiles of BQ query rows by BK keys; scores never leave the work-group.
// A row is one (query, head): the rows of all heads that share a key/value head are tiled together, so each key is fetched once for them.
// Item (tr, td) of a work-group owns rows tr * VW .. + VW as the lanes of a vector; it scores every TD-th key of a tile, and then sums
// every TD-th dimension of the output. Running maximum and sum per row as in FlashAttention (arXiv 2205.14135).
// Meaning:   HEAD_DIM, HALF 0|1 (storage of q, k, v, out)
// Tunables:  VW (1) rows per item, TR (8), TD (8): TR * TD items; BK (16) keys per tile, divisible by TD * KC;
//            KC (2) keys, DC (8) dimensions an item keeps in registers at once
// Needs:     OpenCL C 1.2; local memory 4 * (HEAD_DIM * BQ + BK * KV_STRIDE + (BK + TD + 2) * BQ) bytes.   Launcher: src/ops/attention.cpp
#define WG (TR * TD)
#define BQ (TR * VW)
#define DIMS (((HEAD_DIM + TD - 1) / TD + DC - 1) / DC * DC)  // output dimensions of one item, padded
#define VECTORS ((HEAD_DIM + VW - 1) / VW)
#if WG == 1
#define KV_STRIDE (TD * DIMS)
#define SYNC()
#define UNROLL_OUTER
#else
#define KV_STRIDE (TD * DIMS + 1)  // odd: the items of a warp read different banks
#define SYNC() barrier(CLK_LOCAL_MEM_FENCE)
#define UNROLL_OUTER _Pragma("unroll")  // keeps the output sums in registers
#endif
#define UNROLL _Pragma("unroll")

// Rows of a tile past the last one repeat it, so that no lane needs a test before the store.
uint row_of(const AttentionArgs args, uint in_tile) {
  const uint rows = args.num_queries * (args.heads / args.kv_heads);
  return min((uint)(get_group_id(0) * BQ + in_tile), rows - 1);
}

// Element of q and out where a row begins.
ulong row_start(const AttentionArgs args, uint row) {
  const uint shared_by = args.heads / args.kv_heads;
  return ((ulong)(row / shared_by) * args.heads + get_group_id(1) * shared_by + row % shared_by) * HEAD_DIM;
}

// Keys a row sees: 0 .. this - 1.
uint keys_seen(const AttentionArgs args, uint row) {
  return args.num_keys - args.num_queries + row / (args.heads / args.kv_heads) + 1;
}

// Copies keys (or values) first .. first + BK - 1 of this work-group's head to local memory; zeros past the last one.
void stage(const AttentionArgs args, global const STORED(HALF)* from, uint first, local float* tile) {
  for (uint i = get_local_id(0); i < BK * VECTORS; i += WG) {
    const uint key = i / VECTORS, at = i % VECTORS * VW;
    local float* to = tile + key * KV_STRIDE;
    global const STORED(HALF)* row = from + ((ulong)(first + key) * args.kv_heads + get_group_id(1)) * HEAD_DIM;
    const bool inside = first + key < args.num_keys;
    if (at + VW <= HEAD_DIM) {
      FLOATV value = 0.0f;
      if (inside) value = LOADV_OF(HALF)(row, at);
      STOREV(to, at, value);
    } else {
      for (uint d = at; d < HEAD_DIM; ++d) to[d] = inside ? LOAD(HALF)(row, d) : 0.0f;
    }
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void attention_fwd(const AttentionArgs args, global const STORED(HALF)* restrict q, global const STORED(HALF)* restrict k,
                   global const STORED(HALF)* restrict v, global STORED(HALF)* restrict out, global float* restrict lse) {
  local float q_tile[HEAD_DIM * BQ];  // transposed: rows are lanes; holds the output at the end
  local float kv_tile[BK * KV_STRIDE];
  local float p_tile[BK * BQ];  // scores, then their exponentials
  local float per_row[TD * BQ];
  const uint lid = get_local_id(0), tr = lid % TR, td = lid / TR;
  const uint rows = args.num_queries * (args.heads / args.kv_heads);

  local ulong row_begin[BQ];  // computed once: it takes divisions
  for (uint row = lid; row < BQ; row += WG) row_begin[row] = row_start(args, row_of(args, row));
  SYNC();
  for (uint i = lid; i < BQ * VECTORS; i += WG) {
    const uint row = i / VECTORS, at = i % VECTORS * VW;
    global const STORED(HALF)* from = q + args.q_offset + row_begin[row] + at;
    if (at + VW <= HEAD_DIM) {
      float lanes[VW];
      STOREV(lanes, 0, LOADV_OF(HALF)(from, 0) * args.scale);
      UNROLL for (uint d = 0; d < VW; ++d) q_tile[(at + d) * BQ + row] = lanes[d];
    } else {
      for (uint d = 0; at + d < HEAD_DIM; ++d) q_tile[(at + d) * BQ + row] = LOAD(HALF)(from, d) * args.scale;
    }
  }
  // Padding dimensions are summed and thrown away; they only must not be read uninitialised.
  for (uint key = lid; key < BK; key += WG) {
    for (uint d = HEAD_DIM; d < KV_STRIDE; ++d) kv_tile[key * KV_STRIDE + d] = 0.0f;
  }

  uint lane_limits[VW];
  for (uint lane = 0; lane < VW; ++lane) lane_limits[lane] = keys_seen(args, row_of(args, tr * VW + lane));
  const UINTV limit = LOADV_UINT(lane_limits, 0);
  const uint keys_for_all = keys_seen(args, row_of(args, 0)), keys_for_any = keys_seen(args, row_of(args, BQ - 1));

  FLOATV acc[DIMS];
  for (uint i = 0; i < DIMS; ++i) acc[i] = 0.0f;
  FLOATV row_max = -1e30f, row_sum = 0.0f;  // finite, so that the difference of two maxima is never NaN

  for (uint first = 0; first < keys_for_any; first += BK) {
    stage(args, k + args.k_offset, first, kv_tile);
    SYNC();
    FLOATV tile_max = -1e30f;
    for (uint key0 = 0; key0 < BK; key0 += TD * KC) {
      FLOATV score[KC];
      UNROLL for (uint i = 0; i < KC; ++i) score[i] = 0.0f;
      for (uint d = 0; d < HEAD_DIM; ++d) {
        const FLOATV qd = LOADV(q_tile, d * BQ + tr * VW);
        UNROLL for (uint i = 0; i < KC; ++i) score[i] = FMA(qd, (FLOATV)(kv_tile[(key0 + i * TD + td) * KV_STRIDE + d]), score[i]);
      }
      UNROLL for (uint i = 0; i < KC; ++i) {
        const uint key = key0 + i * TD + td;
        if (first + key >= keys_for_all) score[i] = (UINTV)(first + key) < limit ? score[i] : (FLOATV)(-INFINITY);
        tile_max = fmax(tile_max, score[i]);
        STOREV(p_tile, key * BQ + tr * VW, score[i]);
      }
    }
    STOREV(per_row, td * BQ + tr * VW, tile_max);
    SYNC();

    for (uint i = 0; i < TD; ++i) tile_max = fmax(tile_max, LOADV(per_row, i * BQ + tr * VW));
    const FLOATV new_max = fmax(row_max, tile_max);
    const FLOATV shrink = exp(row_max - new_max);
    row_max = new_max;
    row_sum *= shrink;
    for (uint key = td; key < BK; key += TD) {
      const FLOATV p = exp(LOADV(p_tile, key * BQ + tr * VW) - row_max);
      row_sum += p;
      STOREV(p_tile, key * BQ + tr * VW, p);
    }
    stage(args, v + args.v_offset, first, kv_tile);
    SYNC();

    UNROLL_OUTER for (uint d0 = 0; d0 < DIMS; d0 += DC) {
      FLOATV sum[DC];
      UNROLL for (uint i = 0; i < DC; ++i) sum[i] = acc[d0 + i] * shrink;
      for (uint key = 0; key < BK; ++key) {
        const FLOATV p = LOADV(p_tile, key * BQ + tr * VW);
        UNROLL for (uint i = 0; i < DC; ++i) sum[i] = FMA(p, (FLOATV)(kv_tile[key * KV_STRIDE + (d0 + i) * TD + td]), sum[i]);
      }
      UNROLL for (uint i = 0; i < DC; ++i) acc[d0 + i] = sum[i];
    }
    SYNC();
  }

  STOREV(per_row, td * BQ + tr * VW, row_sum);
  SYNC();
  FLOATV total = 0.0f;
  for (uint i = 0; i < TD; ++i) total += LOADV(per_row, i * BQ + tr * VW);
  UNROLL_OUTER for (uint i = 0; i < DIMS; ++i) {
    if (i * TD + td < HEAD_DIM) STOREV(q_tile, (i * TD + td) * BQ + tr * VW, acc[i] / total);
  }
  SYNC();
  for (uint i = lid; i < BQ * VECTORS; i += WG) {
    const uint row = i / VECTORS, at = i % VECTORS * VW;
    if (get_group_id(0) * BQ + row >= rows) break;
    global STORED(HALF)* to = out + args.out_offset + row_begin[row] + at;
    if (at + VW <= HEAD_DIM) {
      float lanes[VW];
      UNROLL for (uint d = 0; d < VW; ++d) lanes[d] = q_tile[(at + d) * BQ + row];
      STOREV_OF(HALF)(to, 0, LOADV(lanes, 0));
    } else {
      for (uint d = 0; at + d < HEAD_DIM; ++d) STORE(HALF)(to, d, q_tile[(at + d) * BQ + row]);
    }
  }
  if (args.write_lse && td == 0) {
    float lane_lse[VW];
    STOREV(lane_lse, 0, row_max + log(total));
    const uint shared_by = args.heads / args.kv_heads;
    for (uint lane = 0; lane < VW; ++lane) {
      const uint row = get_group_id(0) * BQ + tr * VW + lane;
      if (row < rows) lse[args.lse_offset + (ulong)(get_group_id(1) * shared_by + row % shared_by) * args.num_queries + row / shared_by] = lane_lse[lane];
    }
  }
}
