// The affine codec, w = scale * (code - zero_point) with both shared by a group (src/codec/affine.hpp). Needs
// BITS, VW and lib/unpack.h. What a codec defines for the products, of VW neighbouring output rows each:
//   GRID              what turns their codes of one group into weights
//   LOAD_GRID(grid, scales, qzeros, row, group, groups)
//                     reads it; the two buffers are the codec's second and third plane
//   lane_grid(...)    the same for VW neighbouring features of one row
//   VALUE(codes, grid)
//                     the weights, exact in fp32
//   ADD_GROUP(acc, sum, x_sum, scales, qzeros, row, group, groups)
//                     acc += the sum of weight * x over a group, from its sums of code * x and of x: only of
//                     codecs that are linear in the code; the mat-vec needs it
size_t scale_start(uint row, uint group, uint groups) {
  return ((size_t)(row / ROW_BLOCK) * groups + group) * ROW_BLOCK + row % ROW_BLOCK;
}

// Zero points of rows row .. row + VW - 1: bit r of word p is bit p of row r's.
FLOATV zero_points(global const uint* planes, uint row, uint group, uint groups) {
  planes += ((size_t)(row / ROW_BLOCK) * groups + group) * BITS;
  const UINTV shift = LANES + row % ROW_BLOCK;
  UINTV zero = (UINTV)(0u);
#pragma unroll
  for (uint p = 0; p < BITS; ++p) zero |= ((UINTV)(planes[p]) >> shift & 1u) << p;
  return CONVERT_FLOATV(zero);
}

// weight = code * scale + offset
typedef struct {
  FLOATV scale, offset;
} GRID;
#define LOAD_GRID(grid, scales, qzeros, row, group, groups)                  \
  do {                                                                       \
    (grid).scale = LOADV_HALF(scales, scale_start(row, group, groups));      \
    (grid).offset = -(grid).scale * zero_points(qzeros, row, group, groups); \
  } while (0)
#define VALUE(codes, grid) FMA(CONVERT_FLOATV(codes), (grid).scale, (grid).offset)

#define ADD_GROUP(acc, sum, x_sum, scales, qzeros, row, group, groups)         \
  do {                                                                         \
    const FLOATV zero_ = zero_points(qzeros, row, group, groups);              \
    const FLOATV scale_ = LOADV_HALF(scales, scale_start(row, group, groups)); \
    (acc) = FMA(scale_, FMA(-zero_, (FLOATV)(x_sum), sum), acc);               \
  } while (0)

// The grids of VW features from k on in one row, each of which may belong to another group.
GRID lane_grid(global const half* scales, global const uint* qzeros, uint row, uint k, uint features,
               uint group_size, uint groups) {
  float lanes[2][VW];
  for (uint l = 0; l < VW; ++l) {
    const uint group = min(k + l, features - 1) / group_size;
    global const uint* planes = qzeros + ((size_t)(row / ROW_BLOCK) * groups + group) * BITS;
    uint zero = 0;
    for (uint p = 0; p < BITS; ++p) zero |= (planes[p] >> row % ROW_BLOCK & 1u) << p;
    lanes[0][l] = vload_half(scale_start(row, group, groups), scales);
    lanes[1][l] = -lanes[0][l] * (float)zero;
  }
  GRID grid;
  grid.scale = LOADV(lanes[0], 0);
  grid.offset = LOADV(lanes[1], 0);
  return grid;
}
