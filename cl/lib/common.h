// Second in every kernel's source list, after shared/types.h: vector types by width and storage access by
// type.
//
// VW is the vector width of the program (1, 2, 4, 8 or 16): wide on CPUs, narrow on GPUs. FLOATV, UINTV, INTV
// are the types; LOADV(p, i) / STOREV(p, i, v) move VW contiguous floats from element i on.
// Activations, weights and results are stored as float or half; kernels write TENSOR(HALF_MACRO) pointers and
// use the LOAD / STORE pairs below with the same macro, so one source serves both storage types.
#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)
#define FMA fma

#ifdef VW
#if VW == 1
#define FLOATV float
#define UINTV uint
#define INTV int
#define LOADV(p, i) ((p)[i])
#define STOREV(p, i, v) ((p)[i] = (v))
#define LOADV_HALF(p, i) vload_half((i), (p))
#define STOREV_HALF(p, i, v) vstore_half_rte((v), (i), (p))
#define LOADV_UINT(p, i) ((p)[i])
#define CONVERT_FLOATV(v) ((float)(v))
#define SUMV(v) (v)
#else
#define FLOATV CAT(float, VW)
#define UINTV CAT(uint, VW)
#define INTV CAT(int, VW)
#define LOADV(p, i) CAT(vload, VW)(0, (p) + (i))
#define STOREV(p, i, v) CAT(vstore, VW)((v), 0, (p) + (i))
#if VW >= 8
#define LOADV_HALF(p, i) load_unaligned_half((p) + (i))
#define STOREV_HALF(p, i, v) store_unaligned_half((v), (p) + (i))
#else
#define LOADV_HALF(p, i) CAT(vload_half, VW)(0, (p) + (i))
#define STOREV_HALF(p, i, v) CAT(CAT(vstore_half, VW), _rte)((v), 0, (p) + (i))
#endif
#define LOADV_UINT(p, i) CAT(vload, VW)(0, (p) + (i))
#define CONVERT_FLOATV(v) CAT(convert_float, VW)(v)
#endif
#if VW >= 8
// PoCL 3.1 may compile wide vload_halfN / vstore_halfN to moves that fault unless the address is a multiple
// of 16 bytes, which OpenCL does not ask for. The conversion therefore works on an aligned copy, which
// compilers keep in registers; eight at a time, since it puts the halves of a vector of 16 together and takes
// them apart with twice as many instructions.
float8 load_8_halves(global const half* p) {
  const ushort8 bits = vload8(0, (global const ushort*)p);
  return vload_half8(0, (const half*)&bits);
}
void store_8_halves(float8 v, global half* p) {
  ushort8 bits;
  vstore_half8_rte(v, 0, (half*)&bits);
  vstore8(bits, 0, (global ushort*)p);
}
#if VW == 8
#define load_unaligned_half load_8_halves
#define store_unaligned_half store_8_halves
#else
float16 load_unaligned_half(global const half* p) {
  return (float16)(load_8_halves(p), load_8_halves(p + 8));
}
void store_unaligned_half(float16 v, global half* p) {
  store_8_halves(v.lo, p);
  store_8_halves(v.hi, p + 8);
}
#endif
#endif
#if VW == 2
#define SUMV(v) ((v).s0 + (v).s1)
#elif VW == 4
#define SUMV(v) (((v).s0 + (v).s2) + ((v).s1 + (v).s3))
#elif VW == 8
#define SUM4(v) (((v).s0 + (v).s2) + ((v).s1 + (v).s3))
#define SUMV(v) SUM4((v).lo + (v).hi)
#elif VW == 16
#define SUM4(v) (((v).s0 + (v).s2) + ((v).s1 + (v).s3))
#define SUM8(v) SUM4((v).lo + (v).hi)
#define SUMV(v) SUM8((v).lo + (v).hi)
#endif
#endif

// Storage types: STORED(1) is half, STORED(0) is float; LOAD(1)(p, i), LOADV_OF(1)(p, i) and so on follow the
// same macro.
#define STORED_0 float
#define STORED_1 half
#define STORED(is_half) CAT(STORED_, is_half)
#define LOAD_0(p, i) ((p)[i])
#define LOAD_1(p, i) vload_half((i), (p))
#define LOAD(is_half) CAT(LOAD_, is_half)
#define STORE_0(p, i, v) ((p)[i] = (v))
#define STORE_1(p, i, v) vstore_half_rte((v), (i), (p))
#define STORE(is_half) CAT(STORE_, is_half)
#define LOADV_OF_0(p, i) LOADV(p, i)
#define LOADV_OF_1(p, i) LOADV_HALF(p, i)
#define LOADV_OF(is_half) CAT(LOADV_OF_, is_half)
#define STOREV_OF_0(p, i, v) STOREV(p, i, v)
#define STOREV_OF_1(p, i, v) STOREV_HALF(p, i, v)
#define STOREV_OF(is_half) CAT(STOREV_OF_, is_half)
