// Reading the packed layout (src/tensor/packed_format.hpp is its definition) for VW neighbouring output rows at once. Needs BITS and VW.
//
// Rows are interleaved in blocks of 32, so the words of VW neighbours are one vector load. A chunk is 32 input features of a row:
// BITS words, 32 words apart from each other.
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

// Code of feature i (0..31, a constant after unrolling) from the chunk's words w[BITS].
#if BITS == 3
#define CODE(w, i) \
  (((w)[(i) / 16] >> (2 * ((i) % 16)) & 3u) | (((i) < 2 ? (w)[2] << (2 - (i) % 32) % 3 : (w)[2] >> ((i) + 30) % 32) & 4u))
#else
#define CODES_PER_WORD (32 / BITS)
#define CODE_MASK ((1u << BITS) - 1u)
#define CODE(w, i) ((w)[(i) / CODES_PER_WORD] >> (BITS * ((i) % CODES_PER_WORD)) & CODE_MASK)
#endif

// The same code times a power of two, left where it lies in its word: one instruction less per weight. IN_PLACE_SCALE(i) is that
// power's inverse; whoever multiplies with the code in place multiplies the other factor by it first, which is exact. Three bits are
// split over two words and gain nothing.
#if BITS == 3
#define CODE_IN_PLACE(w, i) CODE(w, i)
#define IN_PLACE_SCALE(i) 1.0f
#else
#define CODE_IN_PLACE(w, i) ((w)[(i) / CODES_PER_WORD] & (CODE_MASK << (BITS * ((i) % CODES_PER_WORD))))
#define IN_PLACE_SCALE(i) (1.0f / (float)(1u << (BITS * ((i) % CODES_PER_WORD))))
#endif

// First word of the chunk for rows row .. row + VW - 1.
size_t chunk_start(uint row, uint chunk, uint chunks) {
  return ((size_t)(row / ROW_BLOCK) * chunks + chunk) * (BITS * ROW_BLOCK) + row % ROW_BLOCK;
}

size_t scale_start(uint row, uint group, uint groups) { return ((size_t)(row / ROW_BLOCK) * groups + group) * ROW_BLOCK + row % ROW_BLOCK; }

// Zero points of those rows: bit r of word p is bit p of row r's.
FLOATV zero_points(global const uint* planes, uint row, uint group, uint groups) {
  planes += ((size_t)(row / ROW_BLOCK) * groups + group) * BITS;
  const UINTV shift = LANES + row % ROW_BLOCK;
  UINTV zero = (UINTV)(0u);
#pragma unroll
  for (uint p = 0; p < BITS; ++p) zero |= ((UINTV)(planes[p]) >> shift & 1u) << p;
  return CONVERT_FLOATV(zero);
}
