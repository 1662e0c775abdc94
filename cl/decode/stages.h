// The stages of a block for one token, each one or two phases. Needs decode/phases.h, rows.h,
// attention_head.h.
#define PARTS(count, size) (((count) + (size)-1) / (size))
#define SIGMOID(g) (1.0f / (1.0f + exp(-(g))))

enum { Q_PROJ, K_PROJ, V_PROJ, O_PROJ, GATE_PROJ, UP_PROJ, DOWN_PROJ };

// What every stage works on.
typedef struct {
  Weights weights;
  // This group's own: input of the stage, and what packed products read of it.
  global float *h, *prepared, *sums;
  global float *q, *mixed, *gated;    // everybody's: queries, attention's output, silu(gate) * up
  global float* t;                    // scaling * A h of the stage's linears, t_stride apart
  uint t_stride;
  global STORED(HALF) * x, *k_cache, *v_cache;
  Counters counters;
  uint position, phase;  // phase: the number of the next one
} Token;

// h = rmsnorm(x) * weight
void normalize(const Token* at, global const float* weight, uint n, float eps) {
  FLOATV sum = 0.0f;
  for (uint k = 0; k < n; k += VW) {
    const FLOATV v = LOADV_OF(HALF)(at->x, k);
    sum = FMA(v, v, sum);
  }
  const float inverse = 1.0f / sqrt(SUMV(sum) / (float)n + eps);
  for (uint k = 0; k < n; k += VW) STOREV(at->h, k, LOADV_OF(HALF)(at->x, k) * inverse * LOADV(weight, k));
}

// What packed products read of h. Groups are whole vectors here.
void prepare(const Token* at, global const float* h, uint n, uint group_size) {
  if (DENSE != 0) return;
  for (uint group = 0; group * group_size < n; ++group) {
    FLOATV sum = 0.0f;
    for (uint k = group * group_size; k < (group + 1) * group_size; k += VW) {
      const FLOATV v = LOADV(h, k);
      sum += v;
      float lanes[VW];
      STOREV(lanes, 0, v);
      UNROLL for (uint i = 0; i < VW; ++i) lanes[i] = PREPARED_X(lanes[i], VW % PART == 0 ? i : k + i);
      STOREV(at->prepared, k, LOADV(lanes, 0));
    }
    at->sums[group] = SUMV(sum);
  }
}

// The input of a stage: rmsnorm(x) * norm, or where norm is null what all groups have in `from`. Groups make
// their copies when they get their first task, so one that comes late does not work for nothing.
typedef struct {
  global const float* norm;
  global const float* from;
  uint features;
  bool ready, is_prepared;
} Source;

global const float* input_of(const Token* at, const DecodeArgs* a, Source* source) {
  if (source->norm == 0) return source->from;
  if (!source->ready) normalize(at, source->norm, source->features, a->eps);
  source->ready = true;
  return at->h;
}

Input prepared_input_of(const Token* at, const DecodeArgs* a, Source* source) {
  const Input in = {input_of(at, a, source), at->prepared, at->sums};
  if (!source->is_prepared) prepare(at, in.h, source->features, a->group_size);
  source->is_prepared = true;
  return in;
}

// A phase: the narrow half of LoRA for `count` linears that share an input, VW ranks to a task. Nothing
// without LoRA.
void lora_phase(Token* at, const DecodeArgs* a, global const DecodeLinear* l, uint count, Source* source) {
  const uint number = at->phase++;
  uint tasks = 0;
  for (uint i = 0; DENSE == 0 && i < count; ++i) tasks += PARTS(l[i].rank, VW);
  if (tasks == 0) return;
  Phase phase = begin_phase(at->counters, number, tasks);
  for (uint task = take_task(&phase); task < tasks; task = take_task(&phase)) {
    uint which = 0, part = task;
    for (; part >= PARTS(l[which].rank, VW); ++which) part -= PARTS(l[which].rank, VW);
    const FLOATV product = dense_rows_1(at->weights.halves + l[which].lora_A, part * VW, l[which].rank,
                                        source->features, input_of(at, a, source));
    STOREV(at->t, which * at->t_stride + part * VW, product * l[which].scaling);
  }
  end_phase(&phase);
}

void qkv_stage(Token* at, const DecodeArgs* a, global const DecodeBlock* block) {
  Source source = {at->weights.floats + block->input_norm, 0, a->hidden, false, false};
  lora_phase(at, a, block->linears, 3, &source);
  const uint kv_features = a->kv_heads * HEAD_DIM, q_tasks = PARTS(a->heads * HEAD_DIM, a->qkv_rows),
             kv_tasks = PARTS(kv_features, a->qkv_rows);
  Phase phase = begin_phase(at->counters, at->phase++, q_tasks + 2 * kv_tasks);
  for (uint task = take_task(&phase); task < phase.tasks; task = take_task(&phase)) {
    const Input in = prepared_input_of(at, a, &source);
    const uint which = task < q_tasks ? Q_PROJ : task < q_tasks + kv_tasks ? K_PROJ : V_PROJ;
    const uint part = which == Q_PROJ ? task : task - q_tasks - (which - K_PROJ) * kv_tasks,
               rows = which == Q_PROJ ? a->heads * HEAD_DIM : kv_features;
    global STORED(HALF)* cache = (which == K_PROJ ? at->k_cache + block->k : at->v_cache + block->v) +
                                 (ulong)at->position * kv_features;
    for (uint row = part * a->qkv_rows; row < min((part + 1) * a->qkv_rows, rows); row += TILE) {
      FLOATV acc[RV];
      product(acc, a->group_size, block->linears + which, rows, a->hidden, row, in,
              at->t + which * at->t_stride, at->weights);
      UNROLL for (uint v = 0; v < RV; ++v) {
        if (row + v * VW >= rows) continue;
        if (which == Q_PROJ) STOREV(at->q, row + v * VW, acc[v]);
        else STOREV_OF(HALF)(cache, row + v * VW, acc[v]);
      }
    }
  }
  end_phase(&phase);
}

// One task per key/value head: it rotates the new key, then its query heads.
void attention_stage(Token* at, const DecodeArgs* a, global const DecodeBlock* block,
                     global const float* cosines, global const float* sines, global float* scores) {
  const uint kv_features = a->kv_heads * HEAD_DIM, group_heads = a->heads / a->kv_heads;
  global const float* c = cosines + (size_t)at->position * (HEAD_DIM / 2);
  global const float* s = sines + (size_t)at->position * (HEAD_DIM / 2);
  Phase phase = begin_phase(at->counters, at->phase++, a->kv_heads);
  for (uint task = take_task(&phase); task < phase.tasks; task = take_task(&phase)) {
    global STORED(HALF)* keys = at->k_cache + block->k + task * HEAD_DIM;
    rotate_key(keys + (ulong)at->position * kv_features, c, s);
    for (uint head = task * group_heads; head < (task + 1) * group_heads; ++head) {
      rotate_query(at->q + head * HEAD_DIM, c, s);
      attend(at->q + head * HEAD_DIM, keys, at->v_cache + block->v + task * HEAD_DIM, at->position,
             kv_features, a->scale, scores + (size_t)head * a->scores_stride, at->mixed + head * HEAD_DIM);
    }
  }
  end_phase(&phase);
}

// x += linear(from)
void residual_stage(Token* at, const DecodeArgs* a, global const DecodeLinear* l, global const float* from,
                    uint features, uint task_rows) {
  Source source = {0, from, features, false, false};
  lora_phase(at, a, l, 1, &source);
  Phase phase = begin_phase(at->counters, at->phase++, PARTS(a->hidden, task_rows));
  for (uint task = take_task(&phase); task < phase.tasks; task = take_task(&phase)) {
    const Input in = prepared_input_of(at, a, &source);
    for (uint row = task * task_rows; row < min((task + 1) * task_rows, a->hidden); row += TILE) {
      FLOATV acc[RV];
      product(acc, a->group_size, l, a->hidden, features, row, in, at->t, at->weights);
      UNROLL for (uint v = 0; v < RV; ++v)
        if (row + v * VW < a->hidden)
          STOREV_OF(HALF)(at->x, row + v * VW, LOADV_OF(HALF)(at->x, row + v * VW) + acc[v]);
    }
  }
  end_phase(&phase);
}

// gated = silu(gate) * up
void gate_up_stage(Token* at, const DecodeArgs* a, global const DecodeBlock* block) {
  Source source = {at->weights.floats + block->post_attention_norm, 0, a->hidden, false, false};
  global const DecodeLinear* l = block->linears + GATE_PROJ;
  lora_phase(at, a, l, 2, &source);
  Phase phase = begin_phase(at->counters, at->phase++, PARTS(a->intermediate, a->gate_up_rows));
  for (uint task = take_task(&phase); task < phase.tasks; task = take_task(&phase)) {
    const Input in = prepared_input_of(at, a, &source);
    for (uint row = task * a->gate_up_rows; row < min((task + 1) * a->gate_up_rows, a->intermediate);
         row += TILE) {
      FLOATV gate[RV], up[RV];
      product(gate, a->group_size, l, a->intermediate, a->hidden, row, in, at->t, at->weights);
      product(up, a->group_size, l + 1, a->intermediate, a->hidden, row, in, at->t + at->t_stride,
              at->weights);
      UNROLL for (uint v = 0; v < RV; ++v)
        if (row + v * VW < a->intermediate)
          STOREV(at->gated, row + v * VW, gate[v] * SIGMOID(gate[v]) * up[v]);
    }
  }
  end_phase(&phase);
}
