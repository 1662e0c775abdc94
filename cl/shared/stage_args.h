// Arguments of cl/decode/stage.cl: up to three linears that share their input. Offsets in elements of the
// buffer that travels beside.
#ifndef APIQ_SHARED_STAGE_ARGS_H
#define APIQ_SHARED_STAGE_ARGS_H
#define APIQ_STAGE_LINEARS 3

typedef struct StageInputArgs {
  APIQ_UINT features, group_size, groups, linears;
  APIQ_FLOAT eps;
  APIQ_UINT x, norm, prepared, sums, t, t_stride;  // t_stride: ranks between the linears' shares of t
  APIQ_UINT ranks[APIQ_STAGE_LINEARS], lora_A[APIQ_STAGE_LINEARS];
  APIQ_UINT rank_groups[APIQ_STAGE_LINEARS];  // work-groups that a linear's ranks take
  APIQ_FLOAT scaling[APIQ_STAGE_LINEARS];
} StageInputArgs;

typedef struct StageProductsArgs {
  APIQ_UINT group_size, groups, chunks;
  APIQ_UINT prepared, sums, t, t_stride;
  // row_groups: work-groups that a linear's rows take.
  APIQ_UINT out_features[APIQ_STAGE_LINEARS], row_groups[APIQ_STAGE_LINEARS];
  APIQ_UINT qweight[APIQ_STAGE_LINEARS], scales[APIQ_STAGE_LINEARS], qzeros[APIQ_STAGE_LINEARS];
  APIQ_UINT ranks[APIQ_STAGE_LINEARS], lora_B_t[APIQ_STAGE_LINEARS], y[APIQ_STAGE_LINEARS];
} StageProductsArgs;
#endif
