// Arguments of cl/nn/elementwise.cl and cl/nn/to_f32.cl. Offsets in elements; a kernel reads only the fields
// of its own arguments.
#ifndef APIQ_SHARED_ELEMENTWISE_ARGS_H
#define APIQ_SHARED_ELEMENTWISE_ARGS_H
typedef struct ElementwiseArgs {
  APIQ_UINT count;
  APIQ_UINT a_offset, b_offset, y_offset;
  APIQ_FLOAT alpha, beta;
} ElementwiseArgs;
#endif
