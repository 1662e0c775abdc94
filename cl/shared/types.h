// Included first by every kernel and by host code that fills its argument structs: one definition read by
// both compilers. Structs hold 4-byte members only, so that both sides lay them out alike.
#ifndef APIQ_SHARED_TYPES_H
#define APIQ_SHARED_TYPES_H
#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)
#define APIQ_UINT uint
#define APIQ_INT int
#define APIQ_FLOAT float
#else
#include <stdint.h>
#define APIQ_UINT uint32_t
#define APIQ_INT int32_t
#define APIQ_FLOAT float
#endif
#endif
