// Reading codes in the packed layout (src/codec/codes.hpp is its definition) for VW neighbouring output rows
// at once; lib/codec_<name>.h says what they stand for. Needs BITS and VW.
//
// Rows are interleaved in blocks of 32, so the words of VW neighbours are one vector load. A chunk is 32
// input features of a row: BITS words, 32 words apart from each other.
#define ROW_BLOCK 32u
#define CHUNK 32u

#if VW == 1
#define LANES 0u
#elif VW == 2
#define LANES ((uint2)(0, 1))
#elif VW == 4
#define LANES ((uint4)(0, 1, 2, 3))
#elif VW == 8
#define LANES ((uint8)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define LANES ((uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#endif

// Codes are taken out of a part at a time: the features that share a word (three bits: a whole chunk of three
// words, whose last holds the high bits). LOAD_PART reads part `part` of the rows whose first word is `rows`;
// CODE(w, i) is the code of its feature i, a constant after unrolling.
#if BITS == 3
#define PART 32u
#define PART_WORDS 3
#define LOAD_PART(w, rows, part)                                           \
  do {                                                                     \
    (w)[0] = LOADV_UINT(rows, (size_t)(part) * (3 * ROW_BLOCK));           \
    (w)[1] = LOADV_UINT(rows, ((size_t)(part) * 3 + 1) * ROW_BLOCK);       \
    (w)[2] = LOADV_UINT(rows, ((size_t)(part) * 3 + 2) * ROW_BLOCK);       \
  } while (0)
#define CODE(w, i) ((((i) < 16 ? (w)[0] : (w)[1]) >> (2 * ((i) % 16)) & 3u) | ((w)[2] >> (i) & 1u) << 2)
#else
#define PART (32u / BITS)
#define PART_WORDS 1
#define LOAD_PART(w, rows, part) ((w)[0] = LOADV_UINT(rows, (size_t)(part)*ROW_BLOCK))
#define CODE_MASK ((1u << BITS) - 1u)
#define CODE(w, i) ((w)[0] >> (BITS * (i)) & CODE_MASK)
#endif

// The same code times a power of two, left where it lies in its word: one instruction less per weight.
// IN_PLACE_SCALE(i) is that power's inverse; whoever multiplies with the code in place multiplies the other
// factor by it first, which is exact. Three bits are split over two words and gain nothing.
#if BITS == 3
#define CODE_IN_PLACE(w, i) CODE(w, i)
#define IN_PLACE_SCALE(i) 1.0f
#else
#define CODE_IN_PLACE(w, i) ((w)[0] & (CODE_MASK << (BITS * (i))))
#define IN_PLACE_SCALE(i) (1.0f / (float)(1u << (BITS * (i))))
#endif
// How the mat-vec takes codes out (lib/qgemv_rows.h). EXTRACT 1: shift and mask; 2: in place, where that is
// less; 3: four bits at a time as an index into a table of partial sums, where the device has an instruction
// for it and fewer than four bits make a code.
#ifdef EXTRACT
#if EXTRACT == 3 && BITS < 4 && defined(__AVX512F__)
#define TABLES 1
#else
#define TABLES 0
#endif
// What the mat-vec reads for the value of a feature.
#if EXTRACT == 1 || TABLES
#define PREPARED_X(value, feature) (value)
#define PREPARED_CODE(w, i) CODE(w, i)
#else
#define PREPARED_X(value, feature) ((value) * IN_PLACE_SCALE((feature) % PART))
#define PREPARED_CODE(w, i) CODE_IN_PLACE(w, i)
#endif
#endif

// `count` neighbouring floats that all lanes share. GPUs (narrow vectors) read them 16 bytes at a time, from
// a multiple of 16 bytes in a
// workspace: one load instruction per four weights. CPUs take them as memory operands of the product.
#if VW < 8
#define SHARED_FLOATS(name, from, count)                                                            \
  float name[count];                                                                                \
  UNROLLED_FOURS(name, from, count)
#define UNROLLED_FOURS(name, from, count)                                                           \
  _Pragma("unroll") for (uint four_ = 0; four_ < (count) / 4; ++four_) {                            \
    const float4 values_ = ((global const float4*)(from))[four_];                                   \
    name[4 * four_] = values_.s0;                                                                   \
    name[4 * four_ + 1] = values_.s1;                                                               \
    name[4 * four_ + 2] = values_.s2;                                                               \
    name[4 * four_ + 3] = values_.s3;                                                               \
  }                                                                                                 \
  _Pragma("unroll") for (uint one_ = (count) / 4 * 4; one_ < (count); ++one_) name[one_] = (from)[one_];
#else
#define SHARED_FLOATS(name, from, count) global const float* const name = (from)
#endif

// Asks for a line of memory that is needed later: the processor's own prefetching stops at every page.
// (OpenCL's prefetch() is empty on PoCL.)
#ifdef __x86_64__
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)0)
#endif

// First word of the chunk for rows row .. row + VW - 1.
size_t chunk_start(uint row, uint chunk, uint chunks) {
  return ((size_t)(row / ROW_BLOCK) * chunks + chunk) * (BITS * ROW_BLOCK) + row % ROW_BLOCK;
}
