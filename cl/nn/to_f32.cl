// to_f32: y = x for 16-bit floats x, exactly. Each work-group walks over ITEMS * WG vectors; the ragged end
// is done one by one.
// Meaning:   BFLOAT 0|1 (0: x is binary16; 1: bfloat16, the upper half of an f32)
// Tunables:  VW (1), WG (1), ITEMS (1) vectors per work-item
// Needs:     OpenCL C 1.2.   Launcher: src/ops/elementwise.cpp
#if BFLOAT
#if VW == 1
#define CONVERTED(x, i) as_float((uint)(x)[i] << 16)
#else
#define CONVERTED(x, i) CAT(as_float, VW)(CAT(convert_uint, VW)(CAT(vload, VW)(0, (x) + (i))) << 16)
#endif
#define CONVERTED_ONE(x, i) as_float((uint)(x)[i] << 16)
#else
#define CONVERTED(x, i) LOADV_HALF((global const half*)(x), i)
#define CONVERTED_ONE(x, i) vload_half((i), (global const half*)(x))
#endif

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void to_f32(const ElementwiseArgs args, global const ushort* restrict x, global float* restrict y) {
  x += args.a_offset;
  y += args.y_offset;
  for (uint item = 0; item < ITEMS; ++item) {
    const ulong at = (((ulong)get_group_id(0) * ITEMS + item) * WG + get_local_id(0)) * VW;
    if (at + VW <= args.count) {
      STOREV(y, at, CONVERTED(x, at));
    } else {
      for (ulong i = at; i < args.count; ++i) y[i] = CONVERTED_ONE(x, i);
    }
  }
}
