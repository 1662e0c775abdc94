// Arguments of the products on matrix units: cl/matmul/gemm_unit.cl, qgemm_unit.cl, qgemm_bwd_unit.cl.
#ifndef APIQ_SHARED_UNIT_ARGS_H
#define APIQ_SHARED_UNIT_ARGS_H

// Where sums go: c[rows, columns] = alpha * sum + beta * c, f32 or (is_half) f16.
typedef struct UnitOutput {
  APIQ_UINT offset, stride;
  APIQ_UINT rows, columns;
  APIQ_UINT is_half;
  APIQ_UINT quads;  // 1: offset and stride are multiples of four
  APIQ_FLOAT alpha, beta;
} UnitOutput;

// c[M, N] = alpha * sum over k of A(m, k) B(k, n) + beta * c with M and N in `c`. Strides are distances between neighbouring rows of the
// tensors as they are stored.
typedef struct GemmUnitArgs {
  APIQ_UINT K;
  APIQ_UINT a_offset, a_stride;
  APIQ_UINT b_offset, b_stride;
  APIQ_UINT row_tiles, column_tiles;
  UnitOutput c;
} GemmUnitArgs;

#endif
