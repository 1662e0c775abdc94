// Arguments of cl/nn/elementwise.cl. Offsets in elements.
#ifndef APIQ_SHARED_ELEMENTWISE_ARGS_H
#define APIQ_SHARED_ELEMENTWISE_ARGS_H
typedef struct ElementwiseArgs {
  APIQ_UINT count;
  APIQ_UINT a_offset, b_offset, y_offset;
} ElementwiseArgs;
#endif
