// Arguments of the products on matrix units: cl/matmul/gemm_unit.cl, qgemm_unit.cl.
#ifndef APIQ_SHARED_UNIT_ARGS_H
#define APIQ_SHARED_UNIT_ARGS_H

typedef struct UnitProbeArgs {
  APIQ_UINT slabs;
} UnitProbeArgs;

// Where sums go: c[rows, columns] = alpha * sum + beta * c, f32 or (is_half) f16.
typedef struct UnitOutput {
  APIQ_UINT offset, stride;
  APIQ_UINT rows, columns;
  APIQ_UINT is_half;
  APIQ_UINT quads;  // 1: offset and stride are multiples of four
  APIQ_FLOAT alpha, beta;
} UnitOutput;

// c[M, N] = alpha * sum over k of A(m, k) B(k, n) + beta * c with M and N in `c`. Strides are distances
// between neighbouring rows of the tensors as they are stored. Work-groups of the range's second dimension
// take split_K steps of k each (a multiple of 32) and write results of their own, c.rows * c.stride elements
// apart.
typedef struct GemmUnitArgs {
  APIQ_UINT K, split_K;
  APIQ_UINT a_offset, a_stride;
  APIQ_UINT b_offset, b_stride;
  APIQ_UINT row_tiles, column_tiles;
  UnitOutput c;
} GemmUnitArgs;

// c = alpha * (sum of `splits` matrices [c.rows, c.columns]) + beta * c.
typedef struct UnitSumArgs {
  APIQ_UINT splits, parts_offset;
  UnitOutput c;
} UnitSumArgs;

// A packed weight (cl/lib/unpack.h): positions of its three tensors in elements, and its sizes.
typedef struct WeightArgs {
  APIQ_UINT qweight, scales, qzeros;
  APIQ_UINT padded_rows;  // output rows rounded up to whole row blocks
  APIQ_UINT group_size, groups, chunks;
} WeightArgs;

// c[tokens, lines] = x [tokens, K] times the weight, plus t [tokens, rank] times the LoRA factor [rank,
// lines]; alpha is 1, beta 0.
typedef struct QgemmUnitArgs {
  APIQ_UINT K;
  APIQ_UINT x_offset, x_stride;
  APIQ_UINT rank, t_offset, t_stride, lora_offset, lora_stride;
  APIQ_UINT row_tiles, column_tiles;
  WeightArgs w;
  UnitOutput c;
} QgemmUnitArgs;

#endif
