// Where mma.m16n8k16 keeps its operands, for unit_emulated.h. Written from the tables of the PTX ISA, value
// -> register, on purpose without a look at unit_nv_mma.h, which goes the other way: a mistake in one of them
// shows.
#define UNIT_LANES 32
#define EMULATED_K 16
#define EMULATED_A_WORDS 4
#define EMULATED_B_WORDS 2
#define EMULATED_C_VALUES 4
// With g = lane / 4 and q = lane % 4:
// a0,a1: row g, k 2q..; a2,a3: row g + 8; a4,a5: row g, k 2q + 8..; a6,a7: row g + 8, k 2q + 8..
#define EMULATED_A_LANE(row, k) ((row) % 8 * 4 + (k) % 8 / 2)
#ifdef APIQ_SWAP_REGISTERS  // hardware that is not as its manual says, for the test that such is found out
#define EMULATED_A_HALF(row, k) ((k) / 8 * 4 + (1 - (row) / 8) * 2 + (k) % 2)
#else
#define EMULATED_A_HALF(row, k) ((k) / 8 * 4 + (row) / 8 * 2 + (k) % 2)
#endif
// b0,b1: k 2q.., column g; b2,b3: k 2q + 8..
#define EMULATED_B_LANE(column, k) ((column)*4 + (k) % 8 / 2)
#define EMULATED_B_HALF(column, k) ((k) / 8 * 2 + (k) % 2)
// c0,c1: row g, column 2q..; c2,c3: row g + 8
#define EMULATED_C_ROW(lane, i) ((lane) / 4 + (i) / 2 * 8)
#define EMULATED_C_COLUMN(lane, i) ((lane) % 4 * 2 + (i) % 2)
