// Arguments of cl/nn/attention.cl and cl/nn/attention_decode.cl. Offsets in elements.
#ifndef APIQ_SHARED_ATTENTION_ARGS_H
#define APIQ_SHARED_ATTENTION_ARGS_H
typedef struct AttentionArgs {
  APIQ_UINT num_queries, num_keys;
  APIQ_UINT heads, kv_heads;
  APIQ_UINT keys_per_split, splits; // decoding: key range of one work-group, and how many there are
  APIQ_UINT write_lse;
  APIQ_FLOAT scale;                 // 1 / sqrt(head_dim)
  APIQ_UINT q_offset, k_offset, v_offset, out_offset, lse_offset;
  APIQ_UINT partial_offset, stats_offset;
} AttentionArgs;
#endif
