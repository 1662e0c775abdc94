// swiglu: z = silu(gate) * up with silu(g) = g / (1 + exp(-g)), and its gradient. Elementwise; the ragged end
// is done one by one.
// Meaning:   HALF 0|1 (storage of all tensors)
// Tunables:  VW (1), WG (1), ITEMS (1) vectors per work-item
// Needs:     OpenCL C 1.2.   Launcher: src/ops/swiglu.cpp

// With s = 1 / (1 + exp(-g)): silu = g s and silu' = s (1 + g (1 - s)). exp overflows to infinity for g <
// -88, where s is then exactly 0.
#define SIGMOID(g) (1.0f / (1.0f + exp(-(g))))

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void swiglu_fwd(const SwigluArgs args, global const STORED(HALF)* gate, global const STORED(HALF)* up,
                global STORED(HALF)* z) {
  gate += args.gate_offset;
  up += args.up_offset;
  z += args.z_offset;
  for (uint item = 0; item < ITEMS; ++item) {
    const ulong at = (((ulong)get_group_id(0) * ITEMS + item) * WG + get_local_id(0)) * VW;
    if (at + VW <= args.count) {
      const FLOATV g = LOADV_OF(HALF)(gate, at);
      STOREV_OF(HALF)(z, at, g * SIGMOID(g) * LOADV_OF(HALF)(up, at));
    } else {
      for (ulong i = at; i < args.count; ++i) {
        const float g = LOAD(HALF)(gate, i);
        STORE(HALF)(z, i, g * SIGMOID(g) * LOAD(HALF)(up, i));
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void swiglu_bwd(const SwigluArgs args, global const STORED(HALF)* gate, global const STORED(HALF)* up,
                global const STORED(HALF)* dz, global STORED(HALF)* d_gate, global STORED(HALF)* d_up) {
  gate += args.gate_offset;
  up += args.up_offset;
  dz += args.z_offset;
  d_gate += args.d_gate_offset;
  d_up += args.d_up_offset;
  for (uint item = 0; item < ITEMS; ++item) {
    const ulong at = (((ulong)get_group_id(0) * ITEMS + item) * WG + get_local_id(0)) * VW;
    if (at + VW <= args.count) {
      // All reads come before the writes: the outputs may be the inputs.
      const FLOATV g = LOADV_OF(HALF)(gate, at), u = LOADV_OF(HALF)(up, at), d = LOADV_OF(HALF)(dz, at);
      const FLOATV s = SIGMOID(g);
      STOREV_OF(HALF)(d_gate, at, d * u * s * (1.0f + g * (1.0f - s)));
      STOREV_OF(HALF)(d_up, at, d * g * s);
    } else {
      for (ulong i = at; i < args.count; ++i) {
        const float g = LOAD(HALF)(gate, i), u = LOAD(HALF)(up, i), d = LOAD(HALF)(dz, i);
        const float s = SIGMOID(g);
        STORE(HALF)(d_gate, i, d * u * s * (1.0f + g * (1.0f - s)));
        STORE(HALF)(d_up, i, d * g * s);
      }
    }
  }
}
