// Attention of one token for the query heads that share a key/value head, by one work-item. Needs HEAD_DIM a
// multiple of VW, decode/rows.h.
#define VECTORS (HEAD_DIM / VW)
// Independent sums over the values, so that additions overlap.
#define KEYS_AT_ONCE (VECTORS <= 2 ? 4 : VECTORS <= 4 ? 2 : 1)

// Rotates the halves of one head (j, j + HEAD_DIM / 2) to the position whose cosines and sines are given.
#define DEFINE_ROTATE(NAME, LOADS, STORES, TYPE)                                           \
  void NAME(TYPE* head, global const float* c, global const float* s) {                    \
    for (uint j = 0; j < HEAD_DIM / 2; ++j) {                                              \
      const float first = LOADS(head, j), second = LOADS(head, j + HEAD_DIM / 2);          \
      STORES(head, j, first * c[j] - second * s[j]);                                       \
      STORES(head, j + HEAD_DIM / 2, second * c[j] + first * s[j]);                        \
    }                                                                                      \
  }
DEFINE_ROTATE(rotate_query, LOAD_0, STORE_0, global float)
DEFINE_ROTATE(rotate_key, LOAD(HALF), STORE(HALF), global STORED(HALF))

// out [HEAD_DIM] = softmax(scale * q k^T) v over keys 0 .. last, rows of k and v `stride` apart. scores: last
// + 1 floats, up to whole vectors.
void attend(global const float* q, global const STORED(HALF)* k, global const STORED(HALF)* v, uint last,
            ulong stride, float scale, global float* scores, global float* out) {
  FLOATV qv[VECTORS], largest = -INFINITY;
  UNROLL for (uint n = 0; n < VECTORS; ++n) qv[n] = LOADV(q, n * VW) * scale;
  for (uint first = 0; first <= last; first += VW) {
    FLOATV dots[VW];
    UNROLL for (uint i = 0; i < VW; ++i) {
      global const STORED(HALF)* key = k + min(first + i, last) * stride;
      dots[i] = qv[0] * LOADV_OF(HALF)(key, 0);
      UNROLL for (uint n = 1; n < VECTORS; ++n) dots[i] = FMA(qv[n], LOADV_OF(HALF)(key, n * VW), dots[i]);
    }
    FLOATV score = sum_each(dots);
    score = LANES + first <= (UINTV)(last) ? score : (FLOATV)(-INFINITY);
    largest = largest > score ? largest : score;
    STOREV(scores, first, score);
  }
  const float max_score = MAXV(largest);
  FLOATV total = 0.0f, acc[KEYS_AT_ONCE][VECTORS];
  for (uint first = 0; first <= last; first += VW) {
    const FLOATV p = exp(LOADV(scores, first) - max_score);
    total += p;
    STOREV(scores, first, p);
  }
  UNROLL for (uint j = 0; j < KEYS_AT_ONCE; ++j)
    UNROLL for (uint n = 0; n < VECTORS; ++n) acc[j][n] = 0.0f;
  // Keys past the last within a vector have weight zero, but their rows may hold anything: those left over
  // come one by one.
  const uint whole = (last + 1) / KEYS_AT_ONCE * KEYS_AT_ONCE;
  for (uint first = 0; first < whole; first += KEYS_AT_ONCE)
    UNROLL for (uint j = 0; j < KEYS_AT_ONCE; ++j)
      UNROLL for (uint n = 0; n < VECTORS; ++n)
        acc[j][n] =
            FMA((FLOATV)(scores[first + j]), LOADV_OF(HALF)(v + (first + j) * stride, n * VW), acc[j][n]);
  for (uint key = whole; key <= last; ++key)
    UNROLL for (uint n = 0; n < VECTORS; ++n)
      acc[0][n] = FMA((FLOATV)(scores[key]), LOADV_OF(HALF)(v + key * stride, n * VW), acc[0][n]);
  const float inverse = 1.0f / SUMV(total);
  UNROLL for (uint n = 0; n < VECTORS; ++n) {
    FLOATV sum = acc[0][n];
    UNROLL for (uint j = 1; j < KEYS_AT_ONCE; ++j) sum += acc[j][n];
    STOREV(out, n * VW, sum * inverse);
  }
}
