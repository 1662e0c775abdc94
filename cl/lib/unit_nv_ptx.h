// The instructions under unit_nv_mma.h as inline PTX. volatile and read-write operands keep compilers from
// reusing stale sums.
typedef struct {
  uint lane, group;
} UnitLane;
// Warps are runs of 32 work-items of one dimension; the self-test compares with %laneid.
#define UNIT_ENTER(name) const UnitLane name = {(uint)get_local_id(0) % 32, (uint)get_local_id(0) / 32}

#if INPUT_BF16
#define MMA_TYPES "f32.bf16.bf16.f32"
#define CVT_PAIR "cvt.rn.bf16x2.f32"
#else
#define MMA_TYPES "f32.f16.f16.f32"
#define CVT_PAIR "cvt.rn.f16x2.f32"
#endif

UNIT_INLINE uint unit_hardware_lane(const UnitLane unit) {
  uint lane;
  (void)unit;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}

UNIT_INLINE uint unit_pack(const float low, const float high) {
  uint pair;
  asm(CVT_PAIR " %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

UNIT_INLINE void ldmatrix_x4(const UnitLane unit, uint* words, local const uint4* row) {
  (void)unit;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "l"(row)
               : "memory");
}

UNIT_INLINE void ldmatrix_x2(const UnitLane unit, uint* words, local const uint4* row) {
  (void)unit;
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(words[0]), "=r"(words[1])
               : "l"(row)
               : "memory");
}

UNIT_INLINE void mma_m16n8k16(const UnitLane unit, float* c, const uint a0, const uint a1, const uint a2,
                              const uint a3, const uint b0, const uint b1) {
  (void)unit;
  asm volatile("mma.sync.aligned.m16n8k16.row.col." MMA_TYPES
               " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
