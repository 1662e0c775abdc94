// How a work-item hands over the VW output rows it computed: to memory (y, stored as Y_HALF says), or lane by
// lane to local memory.
void store_rows(global STORED(Y_HALF)* y, uint row, uint rows, FLOATV value) {
  if (row + VW <= rows) {
    STOREV_OF(Y_HALF)(y, row, value);
  } else {
    float lanes[VW];
    STOREV(lanes, 0, value);
    for (uint r = 0; row + r < rows; ++r) STORE(Y_HALF)(y, row + r, lanes[r]);
  }
}

// Lanes to p[0], p[stride], p[2 * stride] ...
void store_lanes(local float* p, uint stride, FLOATV value) {
  float lanes[VW];
  STOREV(lanes, 0, value);
#pragma unroll
  for (uint r = 0; r < VW; ++r) p[r * stride] = lanes[r];
}
