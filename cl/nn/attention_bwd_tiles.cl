// attention_bwd_tiles: gradients of causal attention with grouped key/value heads, one result at a time, for
// devices that need many independent work-groups: each owns BQ rows (for d_q) or BQ keys (for d_k, d_v),
// walks over the others in tiles of BK, and keeps its sums in registers.
//   p = exp(scale q k - lse), ds = p (d_out v - delta), delta = sum(d_out out)
//   d_q = scale ds k,  d_k = scale ds^T q,  d_v = p^T d_out
// Eight products where attention_bwd.cl has five, but no sums in global memory, nothing atomic, and a fixed
// order. A row is one (query, head); the rows of all heads that share a key/value head are tiled together.
// d_q comes last: it may lie where q, out or d_out were.
// Meaning:   HEAD_DIM, HALF 0|1 (storage of all tensors but lse and delta)
// Tunables:  as lib/attention_tile.h explains: VW (1) lanes, RB (1) vectors per item, TR (8), TD (8); BK (16)
//            others per tile, divisible by TD * KC and by VS; in registers: twice RB x KC (2) scores, RB x DC
//            (8) sums; DS (32), a multiple of VW, VS (16)
// Needs:     OpenCL C 1.2; local memory as tile_bytes computes.   Launcher: src/ops/attention_bwd_tiles.cpp
#define D_Q 0
#define D_V 2

// delta of a row per item.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void attention_bwd_delta(const AttentionBwdTilesArgs args, global const STORED(HALF)* restrict out,
                         global const STORED(HALF)* restrict d_out, global float* restrict delta) {
  const uint i = get_global_id(0);
  if (i >= args.num_tokens * args.heads) return;
  FLOATV sum = 0.0f;
  for (uint at = 0; at < HEAD_DIM; at += VW) {
    sum = FMA(load_dims(out + args.out_offset + (ulong)i * HEAD_DIM, at),
              load_dims(d_out + args.d_out_offset + (ulong)i * HEAD_DIM, at), sum);
  }
  delta[args.delta_offset + (ulong)(i % args.heads) * args.num_tokens + i / args.heads] = SUMV(sum);
}

// What a tile knows of its rows or keys: where they begin; a row's query or a key's number; of rows lse in
// powers of two, and delta.
typedef struct Side {
  local ulong* begin;
  local int* position;
  local float *lse, *delta;
} Side;

// Elements first .. first + count - 1 of `existing`; the last one stands in for those behind it, at
// `outside`.
void describe(const AttentionBwdTilesArgs args, bool of_rows, uint first, uint count, uint existing,
              int outside, global const float* lse, global const float* delta, const Side side) {
  const uint shared_by = args.heads / args.kv_heads;
  for (uint i = get_local_id(0); i < count; i += WG) {
    const uint element = min(first + i, existing - 1);
    const uint token = of_rows ? element / shared_by : element;
    const ulong head = get_group_id(1) * shared_by + element % shared_by;
    const ulong statistic = head * args.num_tokens + token;
    side.begin[i] =
        (of_rows ? (ulong)token * args.heads + head : (ulong)token * args.kv_heads + get_group_id(1)) *
        HEAD_DIM;
    side.position[i] = first + i < existing ? (int)token : outside;
    side.lse[i] = of_rows ? lse[args.lse_offset + statistic] * LOG2_E : 0.0f;
    side.delta[i] = of_rows ? delta[args.delta_offset + statistic] : 0.0f;
  }
}

void stage_others(global const STORED(HALF)* from, local const ulong* begin, uint count, uint d0,
                  uint vectors, uint stride, local float* tile) {
  for (uint i = get_local_id(0); i < count * vectors; i += WG) {
    const uint n = i / vectors, at = i % vectors * VW;
    STOREV(tile, n * stride + at, load_dims(from + begin[n], d0 + at));
  }
}

// No restrict on q, d_out and d_q: see above.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void attention_bwd_tiles(const AttentionBwdTilesArgs args, global const STORED(HALF)* q,
                         global const STORED(HALF)* restrict k, global const STORED(HALF)* restrict v,
                         global const float* restrict lse, global const float* restrict delta,
                         global const STORED(HALF)* d_out, global STORED(HALF)* d_q,
                         global STORED(HALF)* restrict d_k, global STORED(HALF)* restrict d_v) {
  local FLOATV own_tile[CHUNK_DIMS * OWN_VECTORS], weights[BK * OWN_VECTORS];
  local float others[OTHERS_TILE];
  local ulong own_begin[BQ], other_begin[BK];
  local int own_position[BQ], other_position[BK];
  local float own_lse[BQ], own_delta[BQ], other_lse[BK], other_delta[BK];
  const Side own = {own_begin, own_position, own_lse, own_delta},
             other = {other_begin, other_position, other_lse, other_delta};
  const uint lid = get_local_id(0), tr = lid % TR, td = lid / TR;
  const uint result = args.first_result + get_group_id(2);
  const bool own_rows = result == D_Q;
  const uint shared_by = args.heads / args.kv_heads, rows = args.num_tokens * shared_by;
  const uint own_count = own_rows ? rows : args.num_tokens, other_count = own_rows ? args.num_tokens : rows;
  // What takes longest comes first: late rows see most keys, early keys are seen by most rows.
  const uint first_own = (own_rows ? get_num_groups(0) - 1 - get_group_id(0) : get_group_id(0)) * BQ;
  const uint begin = own_rows ? 0 : first_own * shared_by / BK * BK;
  const uint end = own_rows ? min(first_own + BQ - 1, rows - 1) / shared_by + 1 : rows;
  q += args.q_offset;
  k += args.k_offset;
  v += args.v_offset;
  d_out += args.d_out_offset;
  global const STORED(HALF)* own_x = own_rows ? q : k;
  global const STORED(HALF)* own_g = own_rows ? d_out : v;
  global const STORED(HALF)* other_x = own_rows ? k : q;
  global const STORED(HALF)* other_g = own_rows ? v : d_out;

  describe(args, own_rows, first_own, BQ, own_count, 0, lse, delta, own);
  FLOATV acc[RB * DIMS], kept[RB], factor[RB];
  for (uint i = 0; i < RB * DIMS; ++i) acc[i] = 0.0f;
  for (uint r = 0; r < RB; ++r) kept[r] = 1.0f;
  for (uint r = 0; r < RB; ++r) factor[r] = result == D_V ? 1.0f : args.scale;

  for (uint first = begin; first < end; first += BK) {
    SYNC();
    describe(args, !own_rows, first, BK, other_count, own_rows ? INT_MAX : -1, lse, delta, other);
    for (uint other0 = 0; other0 < BK; other0 += ROUND) {
      FLOATV score[RB * KC], dp[RB * KC];
      UNROLL for (uint i = 0; i < RB * KC; ++i) score[i] = 0.0f;
      UNROLL for (uint i = 0; i < RB * KC; ++i) dp[i] = 0.0f;
      for (uint d0 = 0; d0 < HEAD_DIM; d0 += CHUNK_DIMS) {
        SYNC();
        stage_own(own_x, own_begin, d0, 1.0f, own_tile);
        stage_others(other_x, other_begin + other0, ROUND, d0, CHUNK_VECTORS, SCORE_STRIDE, others);
        SYNC();
        ADD_SCORES(score, own_tile, others, d0);
        // d_v needs no dp, but meets the same barriers: PoCL copies everything behind a barrier that is not
        // met always.
        SYNC();
        if (result != D_V) stage_own(own_g, own_begin, d0, 1.0f, own_tile);
        if (result != D_V)
          stage_others(other_g, other_begin + other0, ROUND, d0, CHUNK_VECTORS, SCORE_STRIDE, others);
        SYNC();
        if (result != D_V) {
          ADD_SCORES(dp, own_tile, others, d0);
        }
      }
      UNROLL for (uint i = 0; i < KC; ++i) {
        const uint n = other0 + i * TD + td;
        UNROLL for (uint r = 0; r < RB; ++r) {
          const uint own0 = (r * TR + tr) * VW;
          const INTV mine = LOADV(own_position, own0), theirs = other_position[n];
          const INTV key = own_rows ? theirs : mine, query = own_rows ? mine : theirs;
          const FLOATV exponent =
              score[r * KC + i] * (args.scale * LOG2_E) - (LOADV(own_lse, own0) + other_lse[n]);
          const FLOATV p = exp2_of_negative(key <= query ? exponent : (FLOATV)(-INFINITY));
          const FLOATV ds = p * (dp[r * KC + i] - (LOADV(own_delta, own0) + other_delta[n]));
          weights[n * OWN_VECTORS + r * TR + tr] = result == D_V ? p : ds;
        }
      }
    }
    for (uint v0 = 0; v0 < BK; v0 += VS) {
      SYNC();
      stage_others(result == D_V ? other_g : other_x, other_begin + v0, VS, 0, SUM_VECTORS, SUM_STRIDE,
                   others);
      SYNC();
      ADD_WEIGHTED(acc, kept, (weights + v0 * OWN_VECTORS), others);
    }
  }
  global STORED(HALF)* to =
      own_rows ? d_q + args.d_q_offset : (result == D_V ? d_v + args.d_v_offset : d_k + args.d_k_offset);
  STORE_RESULT(acc, factor, own_tile, own_begin, own_count - 1 - first_own, to);
}
