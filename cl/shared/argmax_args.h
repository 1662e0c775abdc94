// Arguments of cl/decode/argmax.cl. Offsets in elements.
#ifndef APIQ_SHARED_ARGMAX_ARGS_H
#define APIQ_SHARED_ARGMAX_ARGS_H
typedef struct ArgmaxArgs {
  APIQ_UINT count;
  APIQ_UINT parts, part_size;  // work-groups of the first step, elements each: a multiple of the vector width
  APIQ_UINT logits, partials, out;
} ArgmaxArgs;
#endif
