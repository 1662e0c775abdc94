// scaled_add: y = alpha * a + beta * b, in one rounding each for beta * b and for the sum. Each work-group
// walks over ITEMS * WG vectors; the ragged end is done one by one.
// add_bias: y += bias, for every row of y; `count` is the length of a row, the rows are the second dimension.
// Meaning:   HALF 0|1 (storage of all tensors but the bias, which is f32)
// Tunables:  VW (1), WG (1), ITEMS (1) vectors per work-item
// Needs:     OpenCL C 1.2.   Launcher: src/ops/elementwise.cpp
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void scaled_add(const ElementwiseArgs args, global const STORED(HALF)* a, global const STORED(HALF)* b,
                global STORED(HALF)* y) {
  a += args.a_offset;
  b += args.b_offset;
  y += args.y_offset;
  for (uint item = 0; item < ITEMS; ++item) {
    const ulong at = (((ulong)get_group_id(0) * ITEMS + item) * WG + get_local_id(0)) * VW;
    if (at + VW <= args.count) {
      STOREV_OF(HALF)(y, at,
                      FMA((FLOATV)(args.alpha), LOADV_OF(HALF)(a, at), args.beta * LOADV_OF(HALF)(b, at)));
    } else {
      for (ulong i = at; i < args.count; ++i)
        STORE(HALF)(y, i, FMA(args.alpha, LOAD(HALF)(a, i), args.beta * LOAD(HALF)(b, i)));
    }
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void add_bias(const ElementwiseArgs args, global const float* bias, global STORED(HALF)* y) {
  bias += args.a_offset;
  y += args.y_offset + (size_t)get_global_id(1) * args.count;
  for (uint item = 0; item < ITEMS; ++item) {
    const ulong at = (((ulong)get_group_id(0) * ITEMS + item) * WG + get_local_id(0)) * VW;
    if (at + VW <= args.count) {
      STOREV_OF(HALF)(y, at, LOADV_OF(HALF)(y, at) + LOADV(bias, at));
    } else {
      for (ulong i = at; i < args.count; ++i) STORE(HALF)(y, i, LOAD(HALF)(y, i) + bias[i]);
    }
  }
}
