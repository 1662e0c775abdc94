// Cross entropy with argmax, its gradient, and the divergence between two rows of logits; one work-group per
// row.
// Meaning:   HALF 0|1: storage of the logits (and of d_logits, reference)
// Tunables:  WG (1), VW (16)
// Needs:     OpenCL C 1.2; local memory 8 * WG bytes.   Launcher: src/ops/loss.cpp
// log(sum(exp(row))) comes from one pass over memory: an item looks at BLOCK vectors, raises its running
// maximum if they exceed it, then adds their exponentials while they are still in cache. Running sums are
// high + low pairs.

#define BLOCK 16
#define STEP ((size_t)WG * VW)

// The vector at i, padded past the row's end with a logit that no softmax feels.
FLOATV row_vector(global const STORED(HALF) * row, size_t i, size_t end) {
  if (i + VW <= end) return LOADV_OF(HALF)(row, i);
  return LOADV_PART_OF(HALF)(row, i, end - i, -INFINITY);
}

// { largest, sum of exp(logit - largest) } of this item's part of the row; *block: where its largest was
// seen. Starts from -FLT_MAX, not -inf, so that leading -inf logits (masked entries) do not make inf - inf.
float2 item_softmax(global const STORED(HALF) * row, size_t begin, size_t end, size_t* block) {
  float top = -FLT_MAX;
  float2 sum = 0.0f;
  *block = end;
  for (size_t first = begin + get_local_id(0) * VW; first < end; first += BLOCK * STEP) {
    const size_t stop = min(first + BLOCK * STEP, end);
    FLOATV largest = -FLT_MAX;
    for (size_t i = first; i < stop; i += STEP) {
      const FLOATV x = row_vector(row, i, end);
      largest = x > largest ? x : largest;
    }
    const float block_top = MAXV(largest);
    if (block_top > top) {
      sum *= exp(top - block_top);
      top = block_top;
      *block = first;
    }
    FLOATV part = 0.0f;
    for (size_t i = first; i < stop; i += STEP) part += exp(row_vector(row, i, end) - top);
    sum = pair_add(sum, (float2)(SUMV(part), 0.0f));
  }
  return (float2)(top, pair_value(sum));
}

#if WG > 1
#define ROW_SCRATCH(name) GROUP_SCRATCH(name)
#define ROW_SOFTMAX(row, begin, end, block, scratch) row_softmax(row, begin, end, block, scratch)
// The same for the whole row, in every item.
float2 row_softmax(global const STORED(HALF)* row, size_t begin, size_t end, size_t* block,
                   local float* scratch) {
  const float2 own = item_softmax(row, begin, end, block);
  const float top = GROUP_MAX(own.x, scratch);
  if (own.x < top) *block = end;  // another item holds the largest
  return (float2)(top, GROUP_SUM(own.y * exp(own.x - top), scratch));
}
DEFINE_GROUP_REDUCE(group_min_uint, uint, min)
#else
#define ROW_SCRATCH(name)
#define ROW_SOFTMAX(row, begin, end, block, scratch) item_softmax(row, begin, end, block)
#endif

// First position in this item's block that holds `top`, counted from the row's begin; UINT_MAX if there is
// none.
uint first_position(global const STORED(HALF) * row, size_t begin, size_t block, size_t end, float top) {
  if (block >= end) return UINT_MAX;
  const size_t stop = min(block + BLOCK * STEP, end);
  for (size_t i = block; i < stop; i += STEP)
    for (size_t j = i; j < min(i + VW, end); ++j)
      if (LOAD(HALF)(row, j) == top) return (uint)(j - begin);
  return UINT_MAX;
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void cross_entropy_fwd(const CrossEntropyArgs a, global const STORED(HALF)* restrict logits,
                       global const uint* restrict targets, global float* restrict loss,
                       global uint* restrict argmax) {
  ROW_SCRATCH(scratch);
  GROUP_SCRATCH_OF(uint, positions);
  const size_t row = get_group_id(0);
  const size_t begin = a.logits + row * a.vocab, end = begin + a.vocab;
  size_t block;
  const float2 softmax = ROW_SOFTMAX(logits, begin, end, &block, scratch);
  const uint found =
      GROUP_REDUCE(group_min_uint, first_position(logits, begin, block, end, softmax.x), positions);
  if (get_local_id(0) == 0) {
    const uint target = targets[a.targets + row];
    // The two logits first: their difference is exact or nearly so, the logarithm is small.
    loss[a.result + row] =
        target < a.vocab ? (softmax.x - LOAD(HALF)(logits, begin + target)) + log(softmax.y) : 0.0f;
    argmax[a.argmax + row] = found == UINT_MAX ? 0 : found;  // no logit above -inf: nothing to prefer
  }
}

// No restrict on the logits: the gradient may take their place.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void cross_entropy_bwd(const CrossEntropyArgs a, global const STORED(HALF)* logits,
                       global const uint* restrict targets, global STORED(HALF)* d_logits) {
  ROW_SCRATCH(scratch);
  const size_t row = get_group_id(0);
  const size_t begin = a.logits + row * a.vocab, end = begin + a.vocab, out = a.d_logits + row * a.vocab;
  const uint target = targets[a.targets + row];
  const bool counts = target < a.vocab;
  const float at_target = counts ? LOAD(HALF)(logits, begin + target) : 0.0f;
  size_t block;
  const float2 softmax = ROW_SOFTMAX(logits, begin, end, &block, scratch);
  // Every item has read the target's logit, which may be overwritten from here on.
  barrier(CLK_GLOBAL_MEM_FENCE);
  const float factor = counts ? a.scale / softmax.y : 0.0f;
  for (size_t i = begin + get_local_id(0) * VW; i < end; i += STEP) {
    const FLOATV d = exp(row_vector(logits, i, end) - softmax.x) * factor;
    if (i + VW <= end) {
      STOREV_OF(HALF)(d_logits, out + (i - begin), d);
    } else {
      STOREV_PART_OF(HALF)(d_logits, out + (i - begin), d, end - i);
    }
  }
  barrier(CLK_GLOBAL_MEM_FENCE);  // the target's entry was just written by some item
  if (get_local_id(0) == 0 && counts)
    STORE(HALF)(d_logits, out + target, exp(at_target - softmax.x) * factor - a.scale);
}

// p (log p - log q) - p + q for VW entries, from log p and log q. The added q - p sums to zero and makes
// every term a square in leading order: errors of the logarithms then enter only times log p - log q, and the
// sum never cancels.
FLOATV divergence_terms(FLOATV log_p, FLOATV log_q) {
  const FLOATV p = exp(log_p), q = exp(log_q), x = log_p - log_q;
  // exp(-x) - 1 + x by its series where the difference would cancel; the next term is below 2^-25 of the
  // first at 1/4.
  const FLOATV series =
      x * x *
      (0.5f - x * (1.0f / 6 - x * (1.0f / 24 - x * (1.0f / 120 - x * (1.0f / 720 - x * (1.0f / 5040))))));
  const FLOATV term = fabs(x) < 0.25f ? p * series : (q - p) + p * x;
  return p == 0.0f ? q : term;  // 0 log 0 = 0
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void kl_divergence_fwd(const CrossEntropyArgs a, global const STORED(HALF)* restrict reference,
                       global const STORED(HALF)* restrict logits, global float* restrict kl) {
  ROW_SCRATCH(scratch);
  GROUP_SCRATCH_OF(float2, pairs);
  const size_t row = get_group_id(0);
  const size_t p_begin = a.reference + row * a.vocab, p_end = p_begin + a.vocab;
  const size_t q_begin = a.logits + row * a.vocab, q_end = q_begin + a.vocab;
  size_t block;
  const float2 p = ROW_SOFTMAX(reference, p_begin, p_end, &block, scratch);
  const float2 q = ROW_SOFTMAX(logits, q_begin, q_end, &block, scratch);
  const float log_p_sum = log(p.y), log_q_sum = log(q.y);
  float2 sum = 0.0f;
  for (size_t i = get_local_id(0) * VW; i < a.vocab; i += STEP) {
    const FLOATV log_p = (row_vector(reference, p_begin + i, p_end) - p.x) - log_p_sum;
    const FLOATV log_q = (row_vector(logits, q_begin + i, q_end) - q.x) - log_q_sum;
    sum = pair_add(sum, (float2)(SUMV(divergence_terms(log_p, log_q)), 0.0f));
  }
  sum = GROUP_SUM_PAIRS(sum, pairs);
  if (get_local_id(0) == 0) kl[a.result + row] = pair_value(sum);
}
