// mma_m16n8k16 in software: what stands in for unit_nv_ptx.h on devices without the instruction.
void mma_m16n8k16(const UnitLane unit, float* c, const uint a0, const uint a1, const uint a2, const uint a3, const uint b0,
                                const uint b1) {
  const uint a[4] = {a0, a1, a2, a3}, b[2] = {b0, b1};
  emulated_instruction(unit, c, a, b);
}
