// The inner loop of every product of one token with a packed weight: RV vectors of VW neighbouring output
// rows, LoRA included. Needs BITS, ALIGNED, EXTRACT, VW, RV, lib/unpack.h, the codec and
// shared/qmatmul_args.h. Bound by reading w once, so the work per weight is the least there is: codes are
// masked where they lie (the powers of two went into x) or looked up in pairs, and the grid is applied once
// per group (ADD_GROUP of the codec). Independent sums per row vector, so that additions overlap; features i,
// i + CHAINS, .. share one.
#define CHAINS (RV > 2 ? 2 : 4)

#if TABLES && VW == 16 && ALIGNED
// Four bits of every lane select one of 16 sums: table[word >> shift & 15], one instruction. x is that of the
// part.
#define LOOK_UP(table, word, shift) __builtin_ia32_permvarsf512(table, as_int16((word) >> (shift)))
#define LOW_CODES ((float16)(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3))
#define HIGH_CODES ((float16)(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3))
// The 16 sums of two neighbouring features, code x + code' x'.
#define PAIR_SUMS(x) FMA(HIGH_CODES, (float16)((x)[1]), LOW_CODES * (float16)((x)[0]))
#if BITS == 3
// The high bits of four neighbours: four times the sum of those x whose bit is set.
#define BIT_0 ((float16)(0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4))
#define BIT_1 ((float16)(0, 0, 4, 4, 0, 0, 4, 4, 0, 0, 4, 4, 0, 0, 4, 4))
#define BIT_2 ((float16)(0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4))
#define BIT_3 ((float16)(0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4))
#define FOUR_SUMS(x)            \
  FMA(BIT_3, (float16)((x)[3]), \
      FMA(BIT_2, (float16)((x)[2]), FMA(BIT_1, (float16)((x)[1]), BIT_0*(float16)((x)[0]))))
#endif

void add_part(FLOATV raw[RV][CHAINS], UINTV words[RV][PART_WORDS], global const float* x) {
#pragma unroll
  for (uint i = 0; i < PART; i += 2) {
    const float16 sums = PAIR_SUMS(x + i);
#pragma unroll
    for (uint v = 0; v < RV; ++v) raw[v][i / 2 % CHAINS] += LOOK_UP(sums, words[v][i / 16], 2 * (i % 16));
  }
#if BITS == 3
#pragma unroll
  for (uint i = 0; i < PART; i += 4) {
    const float16 sums = FOUR_SUMS(x + i);
#pragma unroll
    for (uint v = 0; v < RV; ++v) raw[v][i / 4 % CHAINS] += LOOK_UP(sums, words[v][2], i);
  }
#endif
}
#else
void add_part(FLOATV raw[RV][CHAINS], UINTV words[RV][PART_WORDS], global const float* x) {
  SHARED_FLOATS(values, x, PART);
#pragma unroll
  for (uint i = 0; i < PART; ++i) {
#pragma unroll
    for (uint v = 0; v < RV; ++v)
      raw[v][i % CHAINS] =
          FMA(CONVERT_FLOATV(PREPARED_CODE(words[v], i)), (FLOATV)(values[i]), raw[v][i % CHAINS]);
  }
}
#endif

// Adds to acc[v] the share of groups first_group .. last_group - 1 in the products of rows row + v * VW .. +
// VW - 1. Rows past the padded ones repeat the last: callers do not store them. row is a multiple of VW.
//   x, x_sums  one token's prepared activations (matmul/gemv_input.cl): PREPARED_X(value, feature), zero up
//   to whole chunks, from an
//              address divisible by 16; and the plain sum of each group
//   lora_t     that token's scaling * x A^T, [rank]
// Offsets into qweight, scales, qzeros and lora_B_t are taken from `a`; the other pointers are those of the
// token.
__attribute__((always_inline)) void qgemv_rows(FLOATV* acc, const QmatmulArgs a, uint row, uint first_group,
                                               uint last_group, global const uint* qweight,
                                               global const half* scales, global const uint* qzeros,
                                               global const float* x, global const float* x_sums,
                                               global const float* lora_t, global const half* lora_B_t) {
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
  // LoRA's ranks are spread over the groups: their rows lie far apart, and arithmetic between the loads hides
  // the wait for memory.
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
      for (uint v = 0; v < RV; ++v) {
        LOAD_PART(words[v], words_of[v], part);
#pragma unroll
        for (uint w = 0; w < PART_WORDS; ++w)
          FETCH(words_of[v] + AHEAD * 256u + ((size_t)part * PART_WORDS + w) * ROW_BLOCK);
      }
#if ALIGNED
      add_part(raw, words, x + part * PART);
#else
      // A group that begins or ends inside a part takes its features only.
      for (uint i = max(first, part * PART) - part * PART; i < min(last - part * PART, PART); ++i) {
#pragma unroll
        for (uint v = 0; v < RV; ++v)
          raw[v][0] =
              FMA(CONVERT_FLOATV(PREPARED_CODE(words[v], i)), (FLOATV)(x[part * PART + i]), raw[v][0]);
      }
#endif
    }
#pragma unroll
    for (uint v = 0; v < RV; ++v) {
      FLOATV sum = raw[v][0] + raw[v][1];
      if (CHAINS == 4) sum += raw[v][CHAINS - 2] + raw[v][CHAINS - 1];
      ADD_GROUP(acc[v], sum, x_sums[group], scales, qzeros, rows[v], group, a.groups);
    }
    for (uint r = group * group_ranks; r < min((group + 1) * group_ranks, a.rank); ++r) {
#pragma unroll
      for (uint v = 0; v < RV; ++v)
        FETCH(lora_B_t + (size_t)min(r + 4, a.rank - 1) * a.padded_rows + rows[v]);
#pragma unroll
      for (uint v = 0; v < RV; ++v)
        acc[v] = FMA(LOADV_HALF(lora_B_t, (size_t)r * a.padded_rows + rows[v]), (FLOATV)(lora_t[r]), acc[v]);
    }
  }
}
