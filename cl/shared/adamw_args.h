#ifndef APIQ_SHARED_ADAMW_ARGS_H
#define APIQ_SHARED_ADAMW_ARGS_H
// Scalars are computed in double on the host, as torch does, and rounded once. Tensor fields are offsets in
// elements.
typedef struct AdamwArgs {
  APIQ_UINT count;
  APIQ_UINT loss, skipped, p, g, m, v;
  APIQ_FLOAT decay;         // 1 - lr * weight_decay
  APIQ_FLOAT beta1, rest1;  // rest = 1 - beta
  APIQ_FLOAT beta2, rest2;
  APIQ_FLOAT step_size;        // lr / (1 - beta1^step)
  APIQ_FLOAT root_correction;  // sqrt(1 - beta2^step)
  APIQ_FLOAT eps;
  // Where steps were skipped, which only the device knows:
  APIQ_UINT step;
  APIQ_FLOAT learning_rate, log_beta1, log_beta2;
} AdamwArgs;

typedef struct GuardArgs {
  APIQ_UINT loss, x, y;
  APIQ_UINT x_count, y_count;
  APIQ_UINT x_groups;  // work-groups of x; those of y follow
} GuardArgs;
#endif
