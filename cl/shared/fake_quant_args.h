#ifndef APIQ_SHARED_FAKE_QUANT_ARGS_H
#define APIQ_SHARED_FAKE_QUANT_ARGS_H
// Of all kernels in cl/quant/fake_quant.cl. Tensor fields are offsets in elements; a kernel reads only those
// of its own arguments.
typedef struct FakeQuantArgs {
  APIQ_UINT num_groups;  // out_features * in_features / group_size
  APIQ_UINT group_size;
  APIQ_UINT groups_per_wg;  // consecutive groups one work-group handles
  APIQ_UINT symmetric, clip;
  APIQ_FLOAT qmax;        // 2^bits - 1
  APIQ_FLOAT half_range;  // 2^(bits - 1) - 1: divisor and zero point of the symmetric grid
  APIQ_UINT w, scale, zero, xmin, xmax, upbound, lowbound;
  APIQ_UINT what;  // output of the forward pass, its gradient in the backward pass
  APIQ_UINT d_upbound, d_lowbound;
  APIQ_UINT d_w, has_d_w;
  APIQ_UINT codes, scales, zeros;
} FakeQuantArgs;
#endif
