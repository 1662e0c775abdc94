// Products of one token with matrices, VW neighbouring output rows to a vector. Needs VW >= 2, lib/unpack.h,
// lib/qgemv_rows.h.
#define UNROLL _Pragma("unroll")

// Lane i of the result is the sum of the lanes of v[i]; overwrites v.
FLOATV sum_each(FLOATV* v) {
#define FOLD_PAIR(i) \
  v[i] = (FLOATV)(v[2 * (i)].even + v[2 * (i)].odd, v[2 * (i) + 1].even + v[2 * (i) + 1].odd)
#if VW == 16
  FOLD_PAIR(0); FOLD_PAIR(1); FOLD_PAIR(2); FOLD_PAIR(3);
  FOLD_PAIR(4); FOLD_PAIR(5); FOLD_PAIR(6); FOLD_PAIR(7);
#endif
#if VW >= 8
  FOLD_PAIR(0); FOLD_PAIR(1); FOLD_PAIR(2); FOLD_PAIR(3);
#endif
#if VW >= 4
  FOLD_PAIR(0); FOLD_PAIR(1);
#endif
  FOLD_PAIR(0);
  return v[0];
}

// Products of rows row .. row + VW - 1 of a row-major matrix [rows, features] with x; rows past the end
// repeat the last. features is a multiple of VW.
#define DEFINE_DENSE_ROWS(IS_HALF)                                                                      \
  FLOATV CAT(dense_rows_, IS_HALF)(global const STORED(IS_HALF)* w, uint row, uint rows, uint features, \
                                   global const float* x) {                                             \
    global const STORED(IS_HALF)* start[VW];                                                            \
    FLOATV sums[VW];                                                                                    \
    UNROLL for (uint i = 0; i < VW; ++i) {                                                              \
      start[i] = w + (ulong)min(row + i, rows - 1) * features;                                          \
      sums[i] = 0.0f;                                                                                   \
    }                                                                                                   \
    for (uint k = 0; k < features; k += VW) {                                                           \
      const FLOATV xv = LOADV(x, k);                                                                    \
      UNROLL for (uint i = 0; i < VW; ++i) sums[i] = FMA(LOADV_OF(IS_HALF)(start[i], k), xv, sums[i]);  \
    }                                                                                                   \
    return sum_each(sums);                                                                              \
  }
DEFINE_DENSE_ROWS(0)
DEFINE_DENSE_ROWS(1)
#define DENSE_ROWS(is_half) CAT(dense_rows_, is_half)

#define TILE (VW * RV)  // rows of one call of product()

// All weights of the model's blocks.
typedef struct {
  global const uint* words;
  global const half* halves;
  global const float* floats;
} Weights;

// A stage's input as products read it.
typedef struct {
  global const float* h;         // as it is
  global const float* prepared;  // PREPARED_X of it
  global const float* sums;      // of each group
} Input;

// acc[v] = rows row + v * VW .. of the matrix [rows, features] times the input, LoRA (whose scaling * A h is
// t) included.
void product(FLOATV* acc, uint group_size, global const DecodeLinear* l, uint rows, uint features, uint row,
             Input in, global const float* t, Weights weights) {
  UNROLL for (uint v = 0; v < RV; ++v) {
    if (DENSE == 16) acc[v] = dense_rows_1(weights.halves + l->weight, row + v * VW, rows, features, in.h);
    else if (DENSE == 32)
      acc[v] = dense_rows_0(weights.floats + l->weight, row + v * VW, rows, features, in.h);
    else acc[v] = 0.0f;
  }
  if (DENSE != 0) return;
  QmatmulArgs q;
  q.out_features = rows;
  q.padded_rows = (rows + ROW_BLOCK - 1) / ROW_BLOCK * ROW_BLOCK;
  q.group_size = group_size;
  q.groups = features / group_size;
  q.chunks = features / CHUNK;
  q.num_tokens = 1;
  q.rank = l->rank;
  q.qweight = l->weight;
  q.scales = l->scales;
  q.qzeros = l->qzeros;
  q.lora_B_t = l->lora_B_t;
  q.x = q.x_sums = q.lora_t = q.y = 0;
  qgemv_rows(acc, q, row, 0, q.groups, weights.words, weights.halves, weights.words, in.prepared, in.sums, t,
             weights.halves);
}
