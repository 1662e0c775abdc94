#ifndef APIQ_SHARED_LOSS_ARGS_H
#define APIQ_SHARED_LOSS_ARGS_H
// Of the kernels in cl/nn/loss.cl. Tensor fields are offsets in elements.
typedef struct LossArgs {
  APIQ_UINT count;  // elements compared
  // Of them, per work-group: fixed, so that sums do not depend on the device's size.
  APIQ_UINT wg_elements;
  APIQ_UINT num_partials;    // work-groups of the first stage
  APIQ_UINT y, target, d_y;  // squared_error; the others read their first tensor as y, the second as target
  APIQ_UINT partials;        // in pairs of floats
  APIQ_UINT sums;
  APIQ_FLOAT scale;
} LossArgs;
#endif
