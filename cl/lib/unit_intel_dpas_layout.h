// Where intel_sub_group_*_matrix_mad_k16 keeps its operands, for unit_emulated.h; written value -> register,
// the other way round than unit_intel_dpas.h. Sub-groups of 8: register `row` of a is a word, two k; of 16:
// half a word, one k. Register i of b holds k 2i and 2i + 1.
#define UNIT_LANES SUB_GROUP
#define UNIT_ATTRIBUTES
#define EMULATED_K 16
#define EMULATED_A_WORDS (64 / SUB_GROUP)
#define EMULATED_B_WORDS 8
#define EMULATED_C_VALUES 8
#define EMULATED_A_LANE(row, k) (SUB_GROUP == 8 ? (k) / 2 : (k))
#define EMULATED_A_HALF(row, k) (SUB_GROUP == 8 ? (row)*2 + (k) % 2 : (row))
#define EMULATED_B_LANE(column, k) (column)
#define EMULATED_B_HALF(column, k) (k)
#define EMULATED_C_ROW(lane, i) (i)
#define EMULATED_C_COLUMN(lane, i) (lane)
#define unit_instruction emulated_instruction
