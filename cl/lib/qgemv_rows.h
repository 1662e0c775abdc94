// The inner loop of every product of one token with a packed weight: RV vectors of VW neighbouring output rows, LoRA included. Needs
// BITS, ALIGNED, VW, RV, lib/unpack.h and shared/qmatmul_args.h. Bound by reading w once, so the work per weight is the least there is:
// codes are masked where they lie (the powers of two went into x), and scale and zero point are applied once per group:
//   acc += scale * (sum code x - zero * sum x)
#define CHAINS 4  // independent sums per row vector, so that additions overlap; features i, i + 4, .. of a part share one

// Adds to acc[v] the share of groups first_group .. last_group - 1 in the products of rows row + v * VW .. + VW - 1. Rows past the
// padded ones repeat the last: callers do not store them. row is a multiple of VW.
//   x, x_sums  one token's prepared activations (matmul/gemv_input.cl): PREPARED_X(value, feature), zero up to whole chunks, and the
//              plain sum of each group
//   lora_t     that token's scaling * x A^T, [rank]
// Offsets into qweight, scales, qzeros and lora_B_t are taken from `a`; the other pointers are those of the token.
__attribute__((always_inline)) void qgemv_rows(FLOATV* acc, const QmatmulArgs a, uint row, uint first_group, uint last_group,
                                               global const uint* qweight, global const half* scales, global const uint* qzeros,
                                               global const float* x, global const float* x_sums, global const float* lora_t,
                                               global const half* lora_B_t) {
  scales += a.scales;
  qzeros += a.qzeros;
  lora_B_t += a.lora_B_t;
  uint rows[RV];
  global const uint* words_of[RV];
#pragma unroll
  for (uint v = 0; v < RV; ++v) {
    rows[v] = min(row + v * VW, a.padded_rows - VW);
    words_of[v] = qweight + a.qweight + chunk_start(rows[v], 0, a.chunks);
  }
  // LoRA's ranks are spread over the groups: their rows lie far apart, and arithmetic between the loads hides the wait for memory.
  const uint group_ranks = (a.rank + a.groups - 1) / a.groups;
  for (uint group = first_group; group < last_group; ++group) {
    FLOATV raw[RV][CHAINS];
#pragma unroll
    for (uint v = 0; v < RV; ++v)
#pragma unroll
      for (uint s = 0; s < CHAINS; ++s) raw[v][s] = (FLOATV)(0.0f);
    const uint first = group * a.group_size, last = first + a.group_size;
    for (uint part = first / PART; part * PART < last; ++part) {
      UINTV words[RV][PART_WORDS];
#pragma unroll
      for (uint v = 0; v < RV; ++v) LOAD_PART(words[v], words_of[v], part);
      // A group that begins or ends inside a part takes its features only; ALIGNED ones take all, unrolled, in CHAINS sums.
#if ALIGNED
#pragma unroll
      for (uint i = 0; i < PART; ++i) {
#else
      for (uint i = max(first, part * PART) - part * PART; i < min(last - part * PART, PART); ++i) {
#endif
        const FLOATV xi = (FLOATV)(x[part * PART + i]);
        const uint chain = ALIGNED ? i % CHAINS : 0;
#pragma unroll
        for (uint v = 0; v < RV; ++v) raw[v][chain] = FMA(CONVERT_FLOATV(CODE_IN_PLACE(words[v], i)), xi, raw[v][chain]);
      }
    }
#pragma unroll
    for (uint v = 0; v < RV; ++v) {
      const FLOATV sum = (raw[v][0] + raw[v][1]) + (raw[v][2] + raw[v][3]);
      const FLOATV zero = zero_points(qzeros, rows[v], group, a.groups);
      const FLOATV scale = LOADV_HALF(scales, scale_start(rows[v], group, a.groups));
      acc[v] = FMA(scale, FMA(-zero, (FLOATV)(x_sums[group]), sum), acc[v]);
    }
    for (uint r = group * group_ranks; r < min((group + 1) * group_ranks, a.rank); ++r) {
#pragma unroll
      for (uint v = 0; v < RV; ++v) acc[v] = FMA(LOADV_HALF(lora_B_t, (size_t)r * a.padded_rows + rows[v]), (FLOATV)(lora_t[r]), acc[v]);
    }
  }
}
