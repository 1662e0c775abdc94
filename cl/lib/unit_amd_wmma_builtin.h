// The instructions under unit_amd_wmma.h: gfx11's builtins and gfx12's, which have other names and fragments.
// Elsewhere the build fails, and with it the probe.
UNIT_INLINE void unit_instruction(const UnitLane unit, float* c, const uint* a, const uint* b) {
  (void)unit;
  const float8 sum = vload8(0, c);
#if WMMA_GFX12
  const uint4 a_words = vload4(0, a), b_words = vload4(0, b);
#if INPUT_BF16
  const float8 result =
      __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32_gfx12(as_short8(a_words), as_short8(b_words), sum);
#else
  const float8 result =
      __builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12(as_half8(a_words), as_half8(b_words), sum);
#endif
#else
  const uint8 a_words = vload8(0, a), b_words = vload8(0, b);
#if INPUT_BF16
  const float8 result =
      __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32(as_short16(a_words), as_short16(b_words), sum);
#else
  const float8 result =
      __builtin_amdgcn_wmma_f32_16x16x16_f16_w32(as_half16(a_words), as_half16(b_words), sum);
#endif
#endif
  vstore8(result, 0, c);
}
