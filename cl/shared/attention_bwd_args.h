// Arguments of cl/nn/attention_bwd.cl and cl/nn/attention_bwd_tiles.cl. Offsets in elements.
#ifndef APIQ_SHARED_ATTENTION_BWD_ARGS_H
#define APIQ_SHARED_ATTENTION_BWD_ARGS_H
typedef struct AttentionBwdArgs {
  APIQ_UINT num_tokens;
  APIQ_UINT heads, kv_heads;
  APIQ_UINT chunks; // parts the row tiles of a key/value head are dealt to; each has its own sums
  APIQ_FLOAT scale; // 1 / sqrt(head_dim)
  APIQ_UINT q_offset, k_offset, v_offset, out_offset, lse_offset, d_out_offset, d_q_offset;
  APIQ_UINT k_sums_offset, v_sums_offset; // f32 [chunks, num_tokens, kv_heads, head_dim]
} AttentionBwdArgs;

typedef struct AttentionBwdSumArgs {
  APIQ_UINT elements, chunks; // elements of d_k, and of d_v
  APIQ_UINT k_sums_offset, v_sums_offset, d_k_offset, d_v_offset;
} AttentionBwdSumArgs;

typedef struct AttentionBwdTilesArgs {
  APIQ_UINT num_tokens;
  APIQ_UINT heads, kv_heads;
  APIQ_UINT first_result; // 0: d_q, 1: d_k, 2: d_v; the third dimension of the range is added
  APIQ_FLOAT scale;       // 1 / sqrt(head_dim)
  APIQ_UINT q_offset, k_offset, v_offset, out_offset, lse_offset, delta_offset, d_out_offset, d_q_offset,
      d_k_offset, d_v_offset;
} AttentionBwdTilesArgs;
#endif
