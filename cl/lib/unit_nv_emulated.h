// The instructions under unit_nv_mma.h in software: what stands in for unit_nv_ptx.h on devices without them.
UNIT_INLINE void mma_m16n8k16(const UnitLane unit, float* c, const uint a0, const uint a1, const uint a2,
                              const uint a3, const uint b0, const uint b1) {
  const uint a[4] = {a0, a1, a2, a3}, b[2] = {b0, b1};
  emulated_instruction(unit, c, a, b);
}

// Every lane tells where its row begins, counted in words from the exchange area, and reads word lane % 4 of
// row lane / 4 of each of `count` matrices.
UNIT_INLINE void emulated_ldmatrix(const UnitLane unit, uint* words, local const uint4* row,
                                   const uint count) {
  unit.words[unit.lane] = (uint)(int)((local const uint*)row - unit.words);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint i = 0; i < count; ++i)
    words[i] = unit.words[(int)unit.words[i * 8 + unit.lane / 4] + (int)(unit.lane % 4)];
  barrier(CLK_LOCAL_MEM_FENCE);
}
UNIT_INLINE void ldmatrix_x4(const UnitLane unit, uint* words, local const uint4* row) {
  emulated_ldmatrix(unit, words, row, 4);
}
UNIT_INLINE void ldmatrix_x2(const UnitLane unit, uint* words, local const uint4* row) {
  emulated_ldmatrix(unit, words, row, 2);
}
