// Arguments of the products with a packed weight: qgemv.cl, qgemm.cl, qgemm_bwd.cl, and the kernels that
// prepare their inputs. Members that name a tensor are its offset in elements in the buffer that travels
// beside the struct.
#ifndef APIQ_SHARED_QMATMUL_ARGS_H
#define APIQ_SHARED_QMATMUL_ARGS_H

typedef struct {
  APIQ_UINT out_features, padded_rows;  // padded_rows: out_features rounded up to whole row blocks
  APIQ_UINT group_size, groups, chunks;
  APIQ_UINT num_tokens, rank;
  APIQ_UINT qweight, scales, qzeros;
  APIQ_UINT x, x_sums, lora_t, lora_B_t, y;
} QmatmulArgs;

typedef struct {
  // padded_features: in_features rounded up to whole chunks.
  APIQ_UINT num_tokens, in_features, padded_features;
  APIQ_UINT group_size, groups;
  APIQ_UINT rank;  // of LoRA, for the mat-vec's input only
  APIQ_FLOAT scaling;
  APIQ_UINT x, out, sums, lora_A, lora_t;
} QmatmulInputArgs;

typedef struct {
  APIQ_UINT in_features, padded_rows;  // as above; in_features may end inside a chunk
  APIQ_UINT group_size, groups, chunks;
  APIQ_UINT num_tokens, rank;
  APIQ_UINT qweight, scales, qzeros;
  APIQ_UINT dy, lora_t, lora_A, dx;
} QmatmulBwdArgs;

typedef struct {
  APIQ_UINT num_tokens, in_features, rank;
  APIQ_UINT A_stride;      // elements from a rank's row to the next; at least in_features
  APIQ_UINT block_tokens;  // tokens per block of the output
  APIQ_FLOAT scaling;
  APIQ_UINT x, lora_A, t;
} LoraDownArgs;

#endif
