// The last vector of a range whose length is no multiple of VW: `count` lanes exist, the others read as
// `fill` and are not written. A range [begin, end) is walked by a work-group like this, and exactly one item
// meets the incomplete vector:
//   size_t i = begin + get_local_id(0) * VW;
//   for (; i + VW <= end; i += WG * VW) ...LOADV(p, i)...
//   if (i < end) ...LOADV_PART(p, i, end - i, fill)...
#if VW == 1
#define LOADV_PART_OF_0(p, i, count, fill) LOAD_0(p, i)
#define LOADV_PART_OF_1(p, i, count, fill) LOAD_1(p, i)
#define STOREV_PART_OF_0(p, i, v, count) STORE_0(p, i, v)
#define STOREV_PART_OF_1(p, i, v, count) STORE_1(p, i, v)
#else
#define DEFINE_PART_ACCESS(is_half)                                                                        \
  FLOATV CAT(load_part_, is_half)(global const STORED(is_half)* p, size_t i, size_t count, float fill) {   \
    float lanes[VW];                                                                                       \
    for (uint lane = 0; lane < VW; ++lane) lanes[lane] = lane < count ? LOAD(is_half)(p, i + lane) : fill; \
    return CAT(vload, VW)(0, lanes);                                                                       \
  }                                                                                                        \
  void CAT(store_part_, is_half)(global STORED(is_half)* p, size_t i, FLOATV v, size_t count) {            \
    float lanes[VW];                                                                                       \
    CAT(vstore, VW)(v, 0, lanes);                                                                          \
    for (uint lane = 0; lane < VW; ++lane)                                                                 \
      if (lane < count) STORE(is_half)(p, i + lane, lanes[lane]);                                          \
  }
DEFINE_PART_ACCESS(0)
DEFINE_PART_ACCESS(1)
#define LOADV_PART_OF_0(p, i, count, fill) load_part_0(p, i, count, fill)
#define LOADV_PART_OF_1(p, i, count, fill) load_part_1(p, i, count, fill)
#define STOREV_PART_OF_0(p, i, v, count) store_part_0(p, i, v, count)
#define STOREV_PART_OF_1(p, i, v, count) store_part_1(p, i, v, count)
#endif
#define LOADV_PART_OF(is_half) CAT(LOADV_PART_OF_, is_half)
#define STOREV_PART_OF(is_half) CAT(STOREV_PART_OF_, is_half)
#define LOADV_PART(p, i, count, fill) LOADV_PART_OF(0)(p, i, count, fill)
#define STOREV_PART(p, i, v, count) STOREV_PART_OF(0)(p, i, v, count)
