// The instruction under unit_amd_mfma.h: f16 from gfx908 on, bf16 of this depth from gfx90a on. Elsewhere the
// build fails, and with it the probe.
UNIT_INLINE void unit_instruction(const UnitLane unit, float* c, const uint* a, const uint* b) {
  (void)unit;
  const float4 sum = (float4)(c[0], c[1], c[2], c[3]);
  const uint2 a_pair = (uint2)(a[0], a[1]), b_pair = (uint2)(b[0], b[1]);
#if INPUT_BF16
  const float4 result =
      __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(as_short4(a_pair), as_short4(b_pair), sum, 0, 0, 0);
#else
  const float4 result =
      __builtin_amdgcn_mfma_f32_16x16x16f16(as_half4(a_pair), as_half4(b_pair), sum, 0, 0, 0);
#endif
  c[0] = result.x;
  c[1] = result.y;
  c[2] = result.z;
  c[3] = result.w;
}
