// Arguments of cl/nn/swiglu.cl. Offsets in elements; a pass uses those of its own tensors.
#ifndef APIQ_SHARED_SWIGLU_ARGS_H
#define APIQ_SHARED_SWIGLU_ARGS_H
typedef struct SwigluArgs {
  APIQ_UINT count;
  APIQ_UINT gate_offset, up_offset;
  APIQ_UINT z_offset;               // forward: z; backward: dz
  APIQ_UINT d_gate_offset, d_up_offset;
} SwigluArgs;
#endif
