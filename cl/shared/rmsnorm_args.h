// Arguments of cl/nn/rmsnorm.cl. Offsets in elements.
#ifndef APIQ_SHARED_RMSNORM_ARGS_H
#define APIQ_SHARED_RMSNORM_ARGS_H
typedef struct RmsnormArgs {
  APIQ_UINT num_tokens, features;
  APIQ_FLOAT eps;
  APIQ_UINT x_offset, weight_offset;
  APIQ_UINT dy_offset;              // backward only
  APIQ_UINT y_offset;               // forward: y; backward: dx
} RmsnormArgs;
#endif
