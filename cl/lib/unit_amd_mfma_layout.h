// Where v_mfma_f32_16x16x16 keeps its operands, for unit_emulated.h; written value -> register, the other way
// round than unit_amd_mfma.h.
#define UNIT_LANES 64
#define EMULATED_K 16
#define EMULATED_A_WORDS 2
#define EMULATED_B_WORDS 2
#define EMULATED_C_VALUES 4
#define EMULATED_A_LANE(row, k) ((k) / 4 * 16 + (row))
#define EMULATED_A_HALF(row, k) ((k) % 4)
#define EMULATED_B_LANE(column, k) ((k) / 4 * 16 + (column))
#define EMULATED_B_HALF(column, k) ((k) % 4)
#define EMULATED_C_ROW(lane, i) ((lane) / 16 * 4 + (i))
#define EMULATED_C_COLUMN(lane, i) ((lane) % 16)
#define unit_instruction emulated_instruction
