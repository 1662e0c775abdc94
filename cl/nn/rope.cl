// rope: rotary position embedding in place, half-split pairs (j, j + head_dim / 2) as Hugging Face's Llama
// lays them out.
//   a' = a cos - b sin,  b' = b cos + a sin;  the backward pass rotates the other way.
// Dimension 1 of the range is the token; dimension 0 walks over heads x vectors of pairs.
// Meaning:   HALF 0|1 (storage of x)
// Tunables:  VW (1), WG (1), ITEMS (1) vectors per work-item
// Needs:     OpenCL C 1.2.   Launcher: src/ops/rope.cpp
void rotate_token(const RopeArgs args, global STORED(HALF)* x, global const float* cos_table,
                  global const float* sin_table, float sign) {
  const ulong token = get_global_id(1);
  const uint pairs = args.head_dim / 2, vectors = (pairs + VW - 1) / VW;
  const ulong table_row = (args.first_position + token) * pairs;
  global const float* c = cos_table + args.cos_offset + table_row;
  global const float* s = sin_table + args.sin_offset + table_row;
  for (uint i = get_global_id(0); i < args.heads * vectors; i += get_global_size(0)) {
    global STORED(HALF)* head = x + args.x_offset + (token * args.heads + i / vectors) * args.head_dim;
    const uint at = i % vectors * VW;
    if (at + VW <= pairs) {
      const FLOATV a = LOADV_OF(HALF)(head, at), b = LOADV_OF(HALF)(head, pairs + at);
      const FLOATV cv = LOADV(c, at), sv = LOADV(s, at) * sign;
      STOREV_OF(HALF)(head, at, a * cv - b * sv);
      STOREV_OF(HALF)(head, pairs + at, b * cv + a * sv);
    } else {
      for (uint j = at; j < pairs; ++j) {
        const float a = LOAD(HALF)(head, j), b = LOAD(HALF)(head, pairs + j), cj = c[j], sj = s[j] * sign;
        STORE(HALF)(head, j, a * cj - b * sj);
        STORE(HALF)(head, pairs + j, b * cj + a * sj);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void rope_fwd(const RopeArgs args, global STORED(HALF)* x, global const float* restrict cos_table,
              global const float* restrict sin_table) {
  rotate_token(args, x, cos_table, sin_table, 1.0f);
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void rope_bwd(const RopeArgs args, global STORED(HALF)* x, global const float* restrict cos_table,
              global const float* restrict sin_table) {
  rotate_token(args, x, cos_table, sin_table, -1.0f);
}
