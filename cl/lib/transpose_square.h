// After lib/common.h, needs VW (any): swaps element j of vector i with element i of vector j in an array of
// VW vectors. Narrow vectors are swapped in registers; wide ones in memory, because PoCL compiles what
// attention would inline of it (lib/transpose.h) for seconds, and saves 5 % of its time.
#if VW < 8
#define UNROLL_LANES _Pragma("unroll")
#else
#define UNROLL_LANES
#endif
#define TRANSPOSE_SQUARE(v) transpose_square((float*)(v))
void transpose_square(float* elements) {
  UNROLL_LANES for (uint i = 1; i < VW; ++i) {
    UNROLL_LANES for (uint j = 0; j < i; ++j) {
      const float kept = elements[i * VW + j];
      elements[i * VW + j] = elements[j * VW + i];
      elements[j * VW + i] = kept;
    }
  }
}
