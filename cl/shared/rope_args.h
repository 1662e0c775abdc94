// Arguments of cl/nn/rope.cl. Offsets in elements.
#ifndef APIQ_SHARED_ROPE_ARGS_H
#define APIQ_SHARED_ROPE_ARGS_H
typedef struct RopeArgs {
  APIQ_UINT heads, head_dim;
  APIQ_UINT first_position;
  APIQ_UINT x_offset, cos_offset, sin_offset;
} RopeArgs;
#endif
