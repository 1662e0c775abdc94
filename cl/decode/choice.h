// The head: logits of the last hidden state and the greedy choice. Needs decode/stages.h, best.h.

// Logits of rows begin .. end - 1, and the best of them.
Best head_rows(const DecodeArgs* a, uint begin, uint end, global const float* h,
               global const STORED(TABLE_HALF)* head, global float* logits) {
  FLOATV best = -INFINITY;
  UINTV rows = APIQ_DECODE_NONE;
  INTV bad = 0;
  for (uint row = begin; row < end; row += VW) {
    const FLOATV value = DENSE_ROWS(TABLE_HALF)(head, row, a->vocab, a->hidden, h);
    const INTV wins = value > best && LANES + row < (UINTV)(end);
    bad |= !isfinite(value);  // rows past the end repeat the last one
    best = wins ? value : best;
    rows = wins ? LANES + row : rows;
    if (row + VW <= end) {
      STOREV(logits, row, value);
      continue;
    }
    float lanes[VW];
    STOREV(lanes, 0, value);
    for (uint i = 0; row + i < end; ++i) logits[row + i] = lanes[i];
  }
  return best_lane(best, rows, bad);
}

// Two phases: logits, and out[0] = the id of the largest, or APIQ_DECODE_NONE if one is not finite. Sets the
// stop word then and at an end of text.
void head_stage(Token* at, const DecodeArgs* a, global const float* norm,
                global const STORED(TABLE_HALF)* head, global float* logits, global uint* out,
                Counters partials, Counters stop) {
  Source source = {norm, 0, a->hidden, false, false};
  Phase phase = begin_phase(at->counters, at->phase++, PARTS(a->vocab, a->head_rows));
  for (uint task = take_task(&phase); task < phase.tasks; task = take_task(&phase)) {
    const Best best = head_rows(a, task * a->head_rows, min((task + 1) * a->head_rows, a->vocab),
                                input_of(at, a, &source), head, logits);
    partials[3 * task] = as_uint(best.value);
    partials[3 * task + 1] = best.row;
    partials[3 * task + 2] = best.bad;
  }
  end_phase(&phase);

  const uint count = phase.tasks;
  phase = begin_phase(at->counters, at->phase++, 1);
  for (uint task = take_task(&phase); task < phase.tasks; task = take_task(&phase)) {
    Best best = {-INFINITY, APIQ_DECODE_NONE, 0};
    for (uint i = 0; i < count; ++i) {
      const Best other = {as_float(partials[3 * i]), partials[3 * i + 1], partials[3 * i + 2]};
      best = better_of(best, other);
    }
    out[0] = best.bad ? APIQ_DECODE_NONE : best.row;
    bool end = best.bad;
    for (uint i = 0; i < APIQ_DECODE_EOS; ++i) end = end || out[0] == a->eos[i];
    if (end) *stop = 1;
  }
  end_phase(&phase);
}
