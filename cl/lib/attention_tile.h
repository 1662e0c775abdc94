// After lib/common.h, lib/ragged.h and lib/transpose_square.h: what the tiled attention kernels share. A
// work-group of TR x TD items works on a tile of BQ "own" elements (lanes of vectors) by BK "others"; item
// (tr, td) owns RB vectors of VW own elements, scores every TD-th other one, and sums every TD-th dimension
// of the result. Operands pass through local memory: DS dimensions at a time for scores, VS others at a time
// for sums. Own elements are laid out transposed (a vector holds one dimension of VW of them), the others one
// after another.
#define WG (TR * TD)
#define OWN_VECTORS (TR * RB)
#define BQ (OWN_VECTORS * VW)
#define ROUND (TD * KC)  // others the work-group scores at once
#define ITEM_DIMS ((HEAD_DIM + TD - 1) / TD)
#define BLOCK_DIMS (ITEM_DIMS < DC ? ITEM_DIMS : DC)
// Dimensions of the result of one item, padded.
#define DIMS ((ITEM_DIMS + BLOCK_DIMS - 1) / BLOCK_DIMS * BLOCK_DIMS)
// Dimensions in local memory for scores.
#define CHUNK_DIMS (DS < HEAD_DIM ? DS : HEAD_DIM)
#define CHUNK_VECTORS ((CHUNK_DIMS + VW - 1) / VW)
#if HEAD_DIM % CHUNK_DIMS == 0
#define STAGED_DIMS(d0) CHUNK_DIMS
#else
#define STAGED_DIMS(d0) (HEAD_DIM - (d0) < CHUNK_DIMS ? HEAD_DIM - (d0) : CHUNK_DIMS)
#endif
#define SUM_VECTORS (((TD * DIMS > HEAD_DIM ? TD * DIMS : HEAD_DIM) + VW - 1) / VW)
#define SUM_STRIDE (SUM_VECTORS * VW)
#if WG == 1
#define SCORE_STRIDE (CHUNK_VECTORS * VW)
#define SYNC()
#define SYNC_GLOBAL()
#define UNROLL_OUTER
#else
#define SCORE_STRIDE (CHUNK_VECTORS * VW + 1)  // odd: the items of a warp read different banks
#define SYNC() barrier(CLK_LOCAL_MEM_FENCE)
#define SYNC_GLOBAL() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define UNROLL_OUTER _Pragma("unroll")  // keeps the sums in registers
#endif
#define OTHERS_TILE (ROUND * SCORE_STRIDE > VS * SUM_STRIDE ? ROUND * SCORE_STRIDE : VS * SUM_STRIDE)
#define UNROLL _Pragma("unroll")
// Steps over operands in local memory. AMD's compiler unrolls such a loop whole and loads all its operands
// first, which fills 256 registers and spills up to 300 more; other compilers choose well by themselves.
#ifdef __AMDGCN__
#define UNROLL_STEPS _Pragma("unroll 2")
#else
#define UNROLL_STEPS
#endif

// Dimensions at .. at + VW - 1 of a row in global memory; zeros past HEAD_DIM.
FLOATV load_dims(global const STORED(HALF)* row, uint at) {
  if (at + VW <= HEAD_DIM) return LOADV_OF(HALF)(row, at);
  if (HEAD_DIM % VW == 0) return 0.0f;
  return LOADV_PART_OF(HALF)(row, at, at < HEAD_DIM ? HEAD_DIM - at : 0, 0.0f);
}

// Dimensions d0 .. d0 + CHUNK_DIMS - 1 of the own elements, times scale, to local memory; squares of VW x VW
// at a time. Neighbouring items take neighbouring elements: their stores go to different banks.
void stage_own(global const STORED(HALF)* from, local const ulong* begin, uint d0, float scale,
               local FLOATV* tile) {
  for (uint i = get_local_id(0); i < OWN_VECTORS * CHUNK_VECTORS; i += WG) {
    const uint own = i % OWN_VECTORS, at = i / OWN_VECTORS * VW;
    FLOATV square[VW];
    UNROLL_LANES for (uint lane = 0; lane < VW; ++lane)
      square[lane] = load_dims(from + begin[own * VW + lane], d0 + at) * scale;
    TRANSPOSE_SQUARE(square);
    UNROLL_LANES for (uint d = 0; d < VW; ++d) {
      if (at + d < CHUNK_DIMS) tile[(at + d) * OWN_VECTORS + own] = square[d];
    }
  }
}

// The other way, for own elements 0 .. last.
void store_own(local const FLOATV* tile, local const ulong* begin, uint d0, uint last,
               global STORED(HALF)* to) {
  for (uint i = get_local_id(0); i < OWN_VECTORS * CHUNK_VECTORS; i += WG) {
    const uint own = i % OWN_VECTORS, at = i / OWN_VECTORS * VW;
    if (d0 + at >= HEAD_DIM) continue;
    FLOATV square[VW];
    UNROLL_LANES for (uint d = 0; d < VW; ++d)
      square[d] = at + d < CHUNK_DIMS ? tile[(at + d) * OWN_VECTORS + own] : (FLOATV)(0.0f);
    TRANSPOSE_SQUARE(square);
    UNROLL_LANES for (uint lane = 0; lane < VW; ++lane) {
      if (own * VW + lane > last) continue;
      global STORED(HALF)* row = to + begin[own * VW + lane] + d0;
      if (HEAD_DIM % VW == 0 || d0 + at + VW <= HEAD_DIM) {
        STOREV_OF(HALF)(row, at, square[lane]);
      } else {
        STOREV_PART_OF(HALF)(row, at, square[lane], HEAD_DIM - d0 - at);
      }
    }
  }
}

// sums[r * KC + i] += products of own vector r with other i * TD + td over the dimensions staged from d0 on.
#define ADD_SCORES(sums, own_tile, others, d0)                                                      \
  UNROLL_STEPS for (uint d = 0; d < STAGED_DIMS(d0); ++d) {                                         \
    FLOATV own[RB];                                                                                 \
    UNROLL for (uint r = 0; r < RB; ++r) own[r] = own_tile[d * OWN_VECTORS + r * TR + tr];          \
    UNROLL for (uint i = 0; i < KC; ++i) {                                                          \
      const FLOATV other = others[(i * TD + td) * SCORE_STRIDE + d];                                \
      UNROLL for (uint r = 0; r < RB; ++r) sums[r * KC + i] = FMA(own[r], other, sums[r * KC + i]); \
    }                                                                                               \
  }

// acc[i * RB + r] = acc * keep[r] + sum of weights[other][own vector r] * others[other][dimension i * TD +
// td] over the VS others staged.
#define ADD_WEIGHTED(acc, keep, weights, others)                                                       \
  UNROLL_OUTER for (uint d0 = 0; d0 < DIMS; d0 += BLOCK_DIMS) {                                        \
    FLOATV sum[BLOCK_DIMS * RB];                                                                       \
    UNROLL for (uint i = 0; i < BLOCK_DIMS * RB; ++i) sum[i] = acc[d0 * RB + i] * keep[i % RB];        \
    UNROLL_STEPS for (uint n = 0; n < VS; ++n) {                                                       \
      FLOATV weight[RB];                                                                               \
      UNROLL for (uint r = 0; r < RB; ++r) weight[r] = weights[n * OWN_VECTORS + r * TR + tr];         \
      UNROLL for (uint i = 0; i < BLOCK_DIMS; ++i) {                                                   \
        const FLOATV other = others[n * SUM_STRIDE + (d0 + i) * TD + td];                              \
        UNROLL for (uint r = 0; r < RB; ++r) sum[i * RB + r] = FMA(weight[r], other, sum[i * RB + r]); \
      }                                                                                                \
    }                                                                                                  \
    UNROLL for (uint i = 0; i < BLOCK_DIMS * RB; ++i) acc[d0 * RB + i] = sum[i];                       \
  }

// acc * factor[own vector] to global memory, through local memory. The result may lie where the work-group's
// own elements came from.
#define STORE_RESULT(acc, factor, own_tile, begin, last, to)                           \
  for (uint d0 = 0; d0 < HEAD_DIM; d0 += CHUNK_DIMS) {                                 \
    SYNC_GLOBAL();                                                                     \
    UNROLL_OUTER for (uint i = 0; i < RB * DIMS; ++i) {                                \
      const uint d = i / RB * TD + td;                                                 \
      if (d >= d0 && d < d0 + CHUNK_DIMS && d < HEAD_DIM)                              \
        own_tile[(d - d0) * OWN_VECTORS + i % RB * TR + tr] = acc[i] * factor[i % RB]; \
    }                                                                                  \
    SYNC();                                                                            \
    store_own(own_tile, begin, d0, last, to);                                          \
  }
