// Where v_wmma_f32_16x16x16 keeps its operands, for unit_emulated.h; written value -> register, the other way
// round than unit_amd_wmma.h.
#define UNIT_LANES 32
#define EMULATED_K 16
#define EMULATED_A_WORDS (WMMA_GFX12 ? 4 : 8)
#define EMULATED_B_WORDS (WMMA_GFX12 ? 4 : 8)
#define EMULATED_C_VALUES 8
#define EMULATED_A_LANE(row, k) ((row) + (WMMA_GFX12 ? (k) / 4 % 2 * 16 : 0))
#define EMULATED_A_HALF(row, k) (WMMA_GFX12 ? (k) / 8 * 4 + (k) % 4 : (k))
#define EMULATED_B_LANE(column, k) ((column) + (WMMA_GFX12 ? (k) / 4 % 2 * 16 : 0))
#define EMULATED_B_HALF(column, k) (WMMA_GFX12 ? (k) / 8 * 4 + (k) % 4 : (k))
#define EMULATED_C_ROW(lane, i) (WMMA_GFX12 ? (lane) / 16 * 8 + (i) : (i)*2 + (lane) / 16)
#define EMULATED_C_COLUMN(lane, i) ((lane) % 16)
#define unit_instruction emulated_instruction
