#ifndef APIQ_SHARED_CROSS_ENTROPY_ARGS_H
#define APIQ_SHARED_CROSS_ENTROPY_ARGS_H
// Of the kernels in cl/nn/cross_entropy.cl. Tensor fields are offsets in elements.
typedef struct CrossEntropyArgs {
  APIQ_UINT vocab;
  APIQ_UINT logits;     // [rows, vocab]
  APIQ_UINT reference;  // [rows, vocab], kl_divergence_fwd only
  APIQ_UINT targets;    // [rows]
  APIQ_UINT result;     // [rows]: loss or divergence
  APIQ_UINT argmax;     // [rows]
  APIQ_UINT d_logits;   // [rows, vocab]
  APIQ_FLOAT scale;
} CrossEntropyArgs;
#endif
