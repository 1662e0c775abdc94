// Arguments of cl/quant/moments.cl. Tensor fields are offsets in elements; a kernel reads only those of its
// own arguments.
#ifndef APIQ_SHARED_MOMENTS_ARGS_H
#define APIQ_SHARED_MOMENTS_ARGS_H
typedef struct MomentsArgs {
  APIQ_UINT count;  // diagonal elements; columns of x and y
  APIQ_UINT step;   // distance of neighbouring diagonal elements
  APIQ_UINT diagonal, x, y;
  APIQ_FLOAT share;
} MomentsArgs;
#endif
