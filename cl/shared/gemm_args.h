// Arguments of the dense products: cl/matmul/gemm.cl (staged) and cl/matmul/gemm_packed.cl.
#ifndef APIQ_SHARED_GEMM_ARGS_H
#define APIQ_SHARED_GEMM_ARGS_H

// One product c[M, N] = alpha * sum over k of A(m, k) B(k, n) + beta * c. Offsets and leading dimensions in elements; a leading
// dimension is the distance between neighbouring rows of the tensor as it is stored.
typedef struct GemmArgs {
  APIQ_UINT M, N, K;
  APIQ_UINT a_offset, a_stride;
  APIQ_UINT b_offset, b_stride;
  APIQ_UINT c_offset, c_stride;
  APIQ_FLOAT alpha, beta;
} GemmArgs;

// One operand to be packed into panels: `count` lines (rows of A or columns of B) of K elements each.
typedef struct GemmPackOperand {
  APIQ_UINT offset, stride;  // of the tensor, in elements
  APIQ_UINT count;
  APIQ_UINT panels;            // how many to pack; 0: the operand is packed already
  APIQ_UINT panels_per_item;   // neighbours share cache lines and pages of the source, so one work-item packs a few at a time
  APIQ_UINT panels_offset;     // where the panels start in the workspace, in elements
  APIQ_UINT lines_contiguous;  // 1: neighbouring lines are neighbours in memory; 0: neighbouring k are
  APIQ_UINT is_half;
} GemmPackOperand;

typedef struct GemmPackArgs {
  APIQ_UINT K;
  GemmPackOperand a, b;
} GemmPackArgs;

// The product of panels; row_tiles counts those of a, packed or not. a_line_step and a_k_step are the distances of neighbours in a
// that is read where it lies (A_DIRECT).
typedef struct GemmPanelsArgs {
  APIQ_UINT M, N, K;
  APIQ_UINT row_tiles;
  APIQ_UINT a_offset, a_line_step, a_k_step;
  APIQ_UINT b_offset, c_offset, c_stride;
  APIQ_FLOAT alpha, beta;
} GemmPanelsArgs;

#endif
