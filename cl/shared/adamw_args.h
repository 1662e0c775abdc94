#ifndef APIQ_SHARED_ADAMW_ARGS_H
#define APIQ_SHARED_ADAMW_ARGS_H
// Scalars are computed in double on the host, as torch does, and rounded once. Tensor fields are offsets in
// elements.
typedef struct AdamwArgs {
  APIQ_UINT count;
  APIQ_UINT loss, p, g, m, v;
  APIQ_FLOAT decay;         // 1 - lr * weight_decay
  APIQ_FLOAT beta1, rest1;  // rest = 1 - beta
  APIQ_FLOAT beta2, rest2;
  APIQ_FLOAT step_size;        // lr / (1 - beta1^t)
  APIQ_FLOAT root_correction;  // sqrt(1 - beta2^t)
  APIQ_FLOAT eps;
} AdamwArgs;
#endif
