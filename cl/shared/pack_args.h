// Arguments of the kernels that move between row-major codes and the packed layout (quant/pack.cl). Tensors
// are offsets in elements.
#ifndef APIQ_SHARED_PACK_ARGS_H
#define APIQ_SHARED_PACK_ARGS_H

typedef struct {
  APIQ_UINT out_features, in_features, group_size, groups, chunks;
  APIQ_UINT qweight, scales, qzeros;           // packed side
  APIQ_UINT codes, plain_scales, plain_zeros;  // row-major side
  APIQ_UINT out;                               // dequantized
} PackArgs;

#endif
