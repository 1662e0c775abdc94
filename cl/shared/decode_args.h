// Arguments of cl/decode/decode_token.cl, and the table of a model's blocks that it reads. Offsets in
// elements of the buffer they lie in: "words" u32, "halves" f16, "floats" f32.
#ifndef APIQ_SHARED_DECODE_ARGS_H
#define APIQ_SHARED_DECODE_ARGS_H

#define APIQ_DECODE_EOS 4       // end-of-text ids the device looks for
#define APIQ_DECODE_TOKENS 16u  // tokens of one launch, at most
#define APIQ_DECODE_PHASE 16u   // words between the counters of two phases: a cache line
#define APIQ_DECODE_NONE 0xffffffffu

// One linear. Packed: its three arrays and LoRA (rank 0: none). Dense: `weight` alone, in halves or floats.
typedef struct DecodeLinear {
  APIQ_UINT weight;  // packed codes in words
  APIQ_UINT scales, qzeros;
  APIQ_UINT lora_A, lora_B_t, rank;
  APIQ_FLOAT scaling;
} DecodeLinear;

typedef struct DecodeBlock {
  APIQ_UINT input_norm, post_attention_norm;  // floats
  APIQ_UINT k, v;                             // start of the layer's keys and values in the caches
  DecodeLinear linears[7];                    // q, k, v, o, gate, up, down
} DecodeBlock;

typedef struct DecodeArgs {
  APIQ_UINT blocks, hidden, heads, kv_heads, intermediate, vocab, group_size;
  APIQ_FLOAT eps, scale;  // scale: 1 / sqrt(head_dim)
  APIQ_UINT whole;        // 1: from the token to the choice of the next one; 0: the blocks only, x in and out
  APIQ_UINT position, tokens;
  APIQ_UINT ids;  // index of the first token's id; the next ones follow it
  // Which half of the state's counters, words of a half, words of one token in it.
  APIQ_UINT set, counters, token_counters;
  APIQ_UINT eos[APIQ_DECODE_EOS];
  // Rows (ranks for the head: rows of the vocabulary) that make one task.
  APIQ_UINT qkv_rows, o_rows, gate_up_rows, down_rows, head_rows;
  // Where things lie: the model's own tensors, then scratch.
  APIQ_UINT x, cos, sin, embedding, head, norm, logits;
  APIQ_UINT own, own_stride;  // each work-group's copy of the current input: h, prepared, sums
  APIQ_UINT prepared, sums;   // from the start of that copy
  APIQ_UINT q, mixed, gated, lora_t, lora_t_stride, scores, scores_stride;
  APIQ_UINT partials, stop;  // in the state, behind the counters
} DecodeArgs;
#endif
