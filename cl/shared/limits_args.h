// Arguments of cl/limits/limits.cl.
#ifndef APIQ_SHARED_LIMITS_ARGS_H
#define APIQ_SHARED_LIMITS_ARGS_H
typedef struct LimitsArgs {
  APIQ_UINT data_offset;  // in 4-byte words
  APIQ_UINT steps;        // of every chain of multiply_add
  APIQ_FLOAT factor, addend;
} LimitsArgs;
#endif
