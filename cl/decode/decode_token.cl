// decode_token: whole tokens in one launch, for CPU devices and models small enough that launches, not reads,
// set the pace: embedding, blocks, head, and the greedy choice, which is the next token's input.
// decode/phases.h says how work-groups share the work.
// Meaning:   DENSE 0|16|32 (weights packed, f16, f32), BITS 2|3|4|8 (8 if dense), ALIGNED 1, HEAD_DIM, HALF
//            0|1 (storage of x and caches), TABLE_HALF 0|1 (of embedding and head)
// Tunables:  VW (at least 2, divides HEAD_DIM), RV vectors of rows at a time, EXTRACT as in qgemv
// Needs:     OpenCL C 1.2; groups that make progress on their own, as threads do.
//            Launcher: src/ops/decode.cpp

// A phase: clears the next launch's counters, and x = the embedding of ids[0] where that belongs to the
// launch. An id outside the table makes
// NaN: nothing is read out of bounds, and the mistake cannot go unseen.
void first_stage(Token* at, const DecodeArgs* a, bool clear, Counters next,
                 global const STORED(TABLE_HALF)* embedding, global const uint* ids) {
  Phase phase = begin_phase(at->counters, at->phase++, 1);
  for (uint task = take_task(&phase); task < phase.tasks; task = take_task(&phase)) {
    if (clear)
      for (uint i = 0; i < a->counters; ++i) next[i] = 0;
    if (!a->whole) continue;
    const uint id = ids[0];
    global const STORED(TABLE_HALF)* row = embedding + (ulong)min(id, a->vocab - 1) * a->hidden;
    const float factor = id < a->vocab ? 1.0f : NAN;
    for (uint k = 0; k < a->hidden; k += VW) STOREV_OF(HALF)(at->x, k, LOADV_OF(TABLE_HALF)(row, k) * factor);
  }
  end_phase(&phase);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void decode_token(const DecodeArgs args, global const DecodeBlock* restrict table,
                  global const uint* restrict words, global const half* restrict halves,
                  global const float* restrict floats, global const STORED(TABLE_HALF)* restrict embedding,
                  global const STORED(TABLE_HALF)* restrict head, global const float* restrict norm,
                  global const float* restrict cosines, global const float* restrict sines,
                  global STORED(HALF)* k_cache, global STORED(HALF)* v_cache, global STORED(HALF)* x,
                  global float* scratch, global float* logits, global uint* ids,
                  volatile global uint* state) {
  const DecodeArgs* a = &args;
  if (state[a->stop] != 0) return;
  global float* own = scratch + a->own + (size_t)get_group_id(0) * a->own_stride;
  Token at;
  at.weights.words = words;
  at.weights.halves = halves;
  at.weights.floats = floats;
  at.h = own;
  at.prepared = own + a->prepared;
  at.sums = own + a->sums;
  at.q = scratch + a->q;
  at.mixed = scratch + a->mixed;
  at.gated = scratch + a->gated;
  at.t = scratch + a->lora_t;
  at.t_stride = a->lora_t_stride;
  at.x = x + a->x;
  at.k_cache = k_cache;
  at.v_cache = v_cache;

  for (uint n = 0; n < a->tokens; ++n) {
    at.position = a->position + n;
    at.counters = state + a->set * a->counters + n * a->token_counters;
    at.phase = 0;
    first_stage(&at, a, n == 0, state + (1 - a->set) * a->counters, embedding + a->embedding,
                ids + a->ids + n);
    for (uint b = 0; b < a->blocks; ++b) {
      global const DecodeBlock* block = table + b;
      qkv_stage(&at, a, block);
      attention_stage(&at, a, block, cosines + a->cos, sines + a->sin, scratch + a->scores);
      residual_stage(&at, a, block->linears + O_PROJ, at.mixed, a->heads * HEAD_DIM, a->o_rows);
      gate_up_stage(&at, a, block);
      residual_stage(&at, a, block->linears + DOWN_PROJ, at.gated, a->intermediate, a->down_rows);
    }
    if (!a->whole) return;
    head_stage(&at, a, norm + a->norm, head + a->head, logits + a->logits, ids + a->ids + n + 1,
               state + a->partials, state + a->stop);
    if (state[a->stop] != 0) return;
  }
}
