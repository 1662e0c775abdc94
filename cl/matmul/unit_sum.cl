// unit_sum: c = alpha * (sum of partial products, in order) + beta * c: the second half of a product whose k
// was split over work-groups because c has too few tiles for the device (gemm_unit.cl).
// Tunables:  LS (work-items of a group)
// Needs:     OpenCL C 1.2.   Launcher: src/ops/gemm_unit.cpp
kernel __attribute__((reqd_work_group_size(LS, 1, 1)))
void unit_sum(const UnitSumArgs args, global const float* restrict parts, global void* restrict c) {
  const uint i = get_global_id(0), count = args.c.rows * args.c.columns;
  if (i >= count) return;
  parts += args.parts_offset + i;
  float sum = 0.0f;
  for (uint s = 0; s < args.splits; ++s) sum += parts[(size_t)s * count];
  const size_t at = args.c.offset + (size_t)(i / args.c.columns) * args.c.stride + i % args.c.columns;
  float value = args.c.alpha * sum;
  if (args.c.is_half) {
    if (args.c.beta != 0.0f) value = FMA(args.c.beta, vload_half(at, (global const half*)c), value);
    vstore_half_rte(value, at, (global half*)c);
  } else {
    if (args.c.beta != 0.0f) value = FMA(args.c.beta, ((global const float*)c)[at], value);
    ((global float*)c)[at] = value;
  }
}
