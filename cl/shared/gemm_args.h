// Arguments of the dense products: cl/matmul/gemm.cl, gemm_rows.cl and gemm_dot.cl share GemmArgs,
// gemm_block.cl has its own.
#ifndef APIQ_SHARED_GEMM_ARGS_H
#define APIQ_SHARED_GEMM_ARGS_H

// One product c[M, N] = alpha * sum over k of A(m, k) B(k, n) + beta * c. Offsets and leading dimensions in
// elements; a leading dimension is the distance between neighbouring rows of the tensor as it is stored.
typedef struct GemmArgs {
  APIQ_UINT M, N, K;
  APIQ_UINT a_offset, a_stride;
  APIQ_UINT b_offset, b_stride;
  APIQ_UINT c_offset, c_stride;
  APIQ_FLOAT alpha, beta;
} GemmArgs;

// A product in blocks (gemm_block): strides as in GemmArgs, a_half and b_half say how the operands are
// stored, block_rows is a multiple of MR and at most TILES * MR.
typedef struct GemmBlockArgs {
  APIQ_UINT M, N, K;
  APIQ_UINT a_offset, a_stride, a_half;
  APIQ_UINT b_offset, b_stride, b_half;
  APIQ_UINT c_offset, c_stride;
  APIQ_UINT block_rows;
  APIQ_FLOAT alpha, beta;
} GemmBlockArgs;

#endif
