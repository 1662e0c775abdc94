// attention for few queries over many keys: one work-group per (row, range of keys), a row being one (query,
// head). The lanes of a vector are dimensions. LK items share a key, item j of them holding vectors j, j +
// LK, ...; KS slots of LK items take different keys and are merged at the end. With more than one range of
// keys, attention_combine merges the ranges.
// Meaning:   HEAD_DIM, HALF 0|1 (storage of q, k, v, out)
// Tunables:  VW (1), LK (8) items per key, KS (8) keys at a time, BK (4) keys per slot between two barriers,
//            a multiple of VW
// Needs:     OpenCL C 1.2; local memory 4 * KS * (BK * (LK + 1) + PADDED + 2) bytes.
//            Launcher: src/ops/attention.cpp
#define WG (LK * KS)
#define VECTORS ((HEAD_DIM + VW - 1) / VW)
#define OWN ((VECTORS + LK - 1) / LK)  // vectors of one item
#define PADDED (OWN * LK * VW)
#define UNROLL _Pragma("unroll")
#if WG == 1
#define SYNC()
#define UNROLL_KEYS
#else
#define SYNC() barrier(CLK_LOCAL_MEM_FENCE)
#define UNROLL_KEYS UNROLL  // the loads of all keys of a round are under way at the same time
#endif

// Vector number i of a row of HEAD_DIM elements, zeros past its end.
FLOATV load_part(global const STORED(HALF)* row, uint i) {
#if HEAD_DIM % VW == 0 && VECTORS % LK == 0
  return LOADV_OF(HALF)(row, i * VW);
#else
  if ((i + 1) * VW <= HEAD_DIM) return LOADV_OF(HALF)(row, i * VW);
  float lanes[VW];
  for (uint lane = 0; lane < VW; ++lane)
    lanes[lane] = i * VW + lane < HEAD_DIM ? LOAD(HALF)(row, i * VW + lane) : 0.0f;
  return LOADV(lanes, 0);
#endif
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void attention_decode(const AttentionArgs args, global const STORED(HALF)* restrict q,
                      global const STORED(HALF)* restrict k, global const STORED(HALF)* restrict v,
                      global STORED(HALF)* restrict out, global float* restrict lse,
                      global float* restrict partial, global float* restrict stats) {
  local float parts[KS * BK * (LK + 1)];
  local float slot_out[KS * PADDED];
  local float slot_max[KS], slot_sum[KS];
  const uint lid = get_local_id(0), j = lid % LK, slot = lid / LK;
  const uint split = get_group_id(0), row = get_group_id(1), head = row % args.heads,
             query = row / args.heads;
  const uint begin = split * args.keys_per_split;
  const uint end = min(begin + args.keys_per_split, args.num_keys - args.num_queries + query + 1);
  const ulong kv_head = head / (args.heads / args.kv_heads);
  k += args.k_offset + kv_head * HEAD_DIM;
  v += args.v_offset + kv_head * HEAD_DIM;
  const ulong key_stride = (ulong)args.kv_heads * HEAD_DIM;

  FLOATV own_q[OWN], acc[OWN];
  UNROLL for (uint i = 0; i < OWN; ++i) {
    own_q[i] = load_part(q + args.q_offset + (ulong)row * HEAD_DIM, i * LK + j) * args.scale;
    acc[i] = 0.0f;
  }
  float max_seen = -1e30f, sum = 0.0f;  // finite, so that the difference of two maxima is never NaN

  for (uint first = begin; first < end; first += KS * BK) {
    const uint key0 = first + slot * BK;
    UNROLL_KEYS for (uint i = 0; i < BK; ++i) {
      FLOATV dot_lanes = 0.0f;
      if (key0 + i < end) {
        UNROLL for (uint n = 0; n < OWN; ++n) {
          FETCH(v + (key0 + i) * key_stride + (n * LK + j) * VW);
          dot_lanes = FMA(own_q[n], load_part(k + (key0 + i) * key_stride, n * LK + j), dot_lanes);
        }
      }
      parts[(slot * BK + i) * (LK + 1) + j] = SUMV(dot_lanes);
    }
    SYNC();
    float score[BK];
    float new_max = max_seen;
    for (uint i = 0; i < BK; ++i) {
      float total = 0.0f;
      for (uint part = 0; part < LK; ++part) total += parts[(slot * BK + i) * (LK + 1) + part];
      score[i] = key0 + i < end ? total : -INFINITY;
      new_max = fmax(new_max, score[i]);
    }
    SYNC();
    const float shrink = exp(max_seen - new_max);
    max_seen = new_max;
    sum *= shrink;
    FLOATV sum_lanes = 0.0f;
    for (uint i = 0; i < BK; i += VW) {
      const FLOATV p = exp(LOADV(score, i) - max_seen);
      sum_lanes += p;
      STOREV(score, i, p);
    }
    sum += SUMV(sum_lanes);
    UNROLL for (uint n = 0; n < OWN; ++n) acc[n] *= shrink;
    for (uint i = 0; i < BK; ++i) {
      if (key0 + i >= end) break;
      UNROLL for (uint n = 0; n < OWN; ++n) {
        FETCH(k + (key0 + KS * BK + i) * key_stride + (n * LK + j) * VW);
        acc[n] = FMA((FLOATV)(score[i]), load_part(v + (key0 + i) * key_stride, n * LK + j), acc[n]);
      }
    }
  }

  // Merge the slots, each weighted by how far its maximum lies below the group's.
  if (j == 0) slot_max[slot] = max_seen;
  if (j == 0) slot_sum[slot] = sum;
  SYNC();
  float group_max = slot_max[0];
  for (uint s = 1; s < KS; ++s) group_max = fmax(group_max, slot_max[s]);
  const float weight = exp(max_seen - group_max);
  UNROLL for (uint n = 0; n < OWN; ++n) STOREV(slot_out, slot * PADDED + (n * LK + j) * VW, acc[n] * weight);
  float total = 0.0f;
  for (uint s = 0; s < KS; ++s) total += slot_sum[s] * exp(slot_max[s] - group_max);
  SYNC();
  for (uint d = lid; d < HEAD_DIM; d += WG) {
    float value = 0.0f;
    for (uint s = 0; s < KS; ++s) value += slot_out[s * PADDED + d];
    if (args.splits == 1) {
      STORE(HALF)(out + args.out_offset, (ulong)row * HEAD_DIM + d, value / total);
    } else {
      partial[args.partial_offset + ((ulong)row * args.splits + split) * HEAD_DIM + d] = value;
    }
  }
  if (lid != 0) return;
  if (args.splits > 1) {
    stats[args.stats_offset + ((ulong)row * args.splits + split) * 2] = group_max;
    stats[args.stats_offset + ((ulong)row * args.splits + split) * 2 + 1] = total;
  } else if (args.write_lse) {
    lse[args.lse_offset + (ulong)head * args.num_queries + query] = group_max + log(total);
  }
}

// One work-group per row: out = sum over ranges of partial * exp(max - largest max), divided by the sums
// weighted alike.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void attention_combine(const AttentionArgs args, global const float* restrict partial,
                       global const float* restrict stats, global STORED(HALF)* restrict out,
                       global float* restrict lse) {
  const uint row = get_group_id(0), head = row % args.heads, query = row / args.heads;
  partial += args.partial_offset + (ulong)row * args.splits * HEAD_DIM;
  stats += args.stats_offset + (ulong)row * args.splits * 2;
  float largest = stats[0];
  for (uint s = 1; s < args.splits; ++s) largest = fmax(largest, stats[2 * s]);
  float total = 0.0f;
  for (uint s = 0; s < args.splits; ++s) total += stats[2 * s + 1] * exp(stats[2 * s] - largest);
  for (uint d = get_local_id(0); d < HEAD_DIM; d += WG) {
    float value = 0.0f;
    for (uint s = 0; s < args.splits; ++s) value += partial[s * HEAD_DIM + d] * exp(stats[2 * s] - largest);
    STORE(HALF)(out + args.out_offset, (ulong)row * HEAD_DIM + d, value / total);
  }
  if (args.write_lse && get_local_id(0) == 0)
    lse[args.lse_offset + (ulong)head * args.num_queries + query] = largest + log(total);
}
