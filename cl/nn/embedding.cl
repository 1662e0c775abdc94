// embedding: x[t] = table[ids[t]]. One work-group per token.
// An id outside the table fills its row with NaN: nothing is read out of bounds, and the mistake cannot go
// unseen.
// Meaning:   TABLE_HALF 0|1, HALF 0|1 (storage of table and of x)
// Tunables:  VW (1), WG (1)
// Needs:     OpenCL C 1.2.   Launcher: src/ops/embedding.cpp
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void embedding_fwd(const EmbeddingArgs args, global const STORED(TABLE_HALF)* restrict table,
                   global const uint* restrict ids, global STORED(HALF)* restrict x) {
  const ulong token = get_group_id(0);
  const uint n = args.hidden_size;
  const uint id = ids[args.ids_offset + token];
  global const STORED(TABLE_HALF)* row = table + args.table_offset + (ulong)min(id, args.vocab_size - 1) * n;
  global STORED(HALF)* out = x + args.x_offset + token * n;
  const float factor = id < args.vocab_size ? 1.0f : NAN;
  for (uint at = get_local_id(0) * VW; at < n; at += WG * VW) {
    if (at + VW <= n) {
      STOREV_OF(HALF)(out, at, LOADV_OF(TABLE_HALF)(row, at) * factor);
    } else {
      for (uint i = at; i < n; ++i) STORE(HALF)(out, i, LOAD(TABLE_HALF)(row, i) * factor);
    }
  }
}
