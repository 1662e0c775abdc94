// What both of AMD's matrix units share under OpenCL: lanes and conversions. Their compiler is clang, whose
// builtins OpenCL C may call.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

typedef struct {
  uint lane, group;
} UnitLane;
// Waves are runs of neighbouring work-items of one dimension; the self-test compares with the hardware's lane
// number.
#define UNIT_ENTER(name) \
  const UnitLane name = {(uint)get_local_id(0) % UNIT_LANES, (uint)get_local_id(0) / UNIT_LANES}

UNIT_INLINE uint unit_hardware_lane(const UnitLane unit) {
  (void)unit;
  return __builtin_amdgcn_mbcnt_hi(~0u, __builtin_amdgcn_mbcnt_lo(~0u, 0u));
}

UNIT_INLINE uint unit_pack(const float low, const float high) {
#if INPUT_BF16
  return portable_pack(low, high);
#else
  return as_ushort((half)low) | (uint)as_ushort((half)high) << 16;  // conversions round to nearest even
#endif
}
