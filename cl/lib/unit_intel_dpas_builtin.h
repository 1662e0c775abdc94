// The functions under unit_intel_dpas.h. Compilers that list the extension without declaring them get the
// prototypes from here.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define UNIT_ATTRIBUTES __attribute__((intel_reqd_sub_group_size(SUB_GROUP)))

typedef struct {
  uint lane, group;
} UnitLane;
// Sub-groups are runs of neighbouring work-items of one dimension; the self-test compares with
// get_sub_group_local_id().
#define UNIT_ENTER(name) \
  const UnitLane name = {(uint)get_local_id(0) % SUB_GROUP, (uint)get_local_id(0) / SUB_GROUP}

UNIT_INLINE uint unit_hardware_lane(const UnitLane unit) {
  (void)unit;
  return get_sub_group_local_id();
}

#if SUB_GROUP == 8
#define DPAS_A int8
#define DPAS_LOAD_A(a) as_int8(vload8(0, a))
#else
#define DPAS_A short8
#define DPAS_LOAD_A(a) as_short8(vload4(0, a))
#endif
#ifndef cl_intel_subgroup_matrix_multiply_accumulate
float8 __attribute__((overloadable)) intel_sub_group_f16_f16_matrix_mad_k16(DPAS_A a, int8 b, float8 sum);
float8 __attribute__((overloadable)) intel_sub_group_bf16_bf16_matrix_mad_k16(DPAS_A a, int8 b, float8 sum);
#endif

UNIT_INLINE uint unit_pack(const float low, const float high) {
#if INPUT_BF16
  return portable_pack(low, high);
#else
  return as_ushort(convert_half_rte(low)) | (uint)as_ushort(convert_half_rte(high)) << 16;
#endif
}

UNIT_INLINE void unit_instruction(const UnitLane unit, float* c, const uint* a, const uint* b) {
  (void)unit;
#if INPUT_BF16
  const float8 result =
      intel_sub_group_bf16_bf16_matrix_mad_k16(DPAS_LOAD_A(a), as_int8(vload8(0, b)), vload8(0, c));
#else
  const float8 result =
      intel_sub_group_f16_f16_matrix_mad_k16(DPAS_LOAD_A(a), as_int8(vload8(0, b)), vload8(0, c));
#endif
  vstore8(result, 0, c);
}
