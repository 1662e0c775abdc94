// What a device can do at best, for shares of a limit: reading memory and multiplying in fp32.
//
// read_words: each work-item sums VECTORS vectors, its group a contiguous piece; four sums, so that loads are
// in flight together.
// multiply_add: eight independent chains x = factor * x + addend per lane, enough to hide the latency of
// every device known to us (two 4-cycle units on CPUs; on GPUs other work-items do the rest).
// Tunables:  VW (1), WG (1), VECTORS (4) a multiple of 4
// Needs:     OpenCL C 1.2.   Launcher: src/ops/limits.cpp
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void read_words(const LimitsArgs args, global const uint* restrict data, global uint* restrict sums) {
  data += args.data_offset + ((ulong)get_group_id(0) * VECTORS * WG + get_local_id(0)) * VW;
  UINTV a = 0, b = 0, c = 0, d = 0;
  for (uint i = 0; i < VECTORS; i += 4) {
    a += LOADV_UINT(data, (ulong)i * WG * VW);
    b += LOADV_UINT(data, ((ulong)i + 1) * WG * VW);
    c += LOADV_UINT(data, ((ulong)i + 2) * WG * VW);
    d += LOADV_UINT(data, ((ulong)i + 3) * WG * VW);
  }
  sums[get_global_id(0)] = SUMV(a + b + c + d);
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void multiply_add(const LimitsArgs args, global float* restrict y) {
  const FLOATV factor = args.factor, addend = args.addend;
  // Starts differ, or a compiler could compute one chain for all.
  FLOATV a = (float)get_local_id(0), b = a + 1.0f, c = a + 2.0f, d = a + 3.0f, e = a + 4.0f, f = a + 5.0f,
         g = a + 6.0f, h = a + 7.0f;
  for (uint i = 0; i < args.steps; ++i) {
    a = FMA(a, factor, addend);
    b = FMA(b, factor, addend);
    c = FMA(c, factor, addend);
    d = FMA(d, factor, addend);
    e = FMA(e, factor, addend);
    f = FMA(f, factor, addend);
    g = FMA(g, factor, addend);
    h = FMA(h, factor, addend);
  }
  y[get_global_id(0)] = SUMV(((a + b) + (c + d)) + ((e + f) + (g + h)));
}
