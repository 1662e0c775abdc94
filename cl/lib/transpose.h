// In registers: r[i].s(j) <-> r[j].s(i) for an array r of VW vectors of VW values (VW 4, 8 or 16), by
// exchanging single values between neighbouring vectors, then blocks of two, and so on. A macro of
// straight-line code on constant indices, lane by lane: PoCL 3.1 keeps an array in memory that a loop or a
// function walks over, and breaks vectors that are put together from parts into many small moves. Small
// blocks come first, or it cuts the loads of the vectors into quarters.
#if VW == 4
#define EXCHANGE_2(x, y)                  \
  {                                       \
    const FLOATV t = x, u = y;            \
    x = (FLOATV)(t.s0, t.s1, u.s0, u.s1); \
    y = (FLOATV)(t.s2, t.s3, u.s2, u.s3); \
  }
#define EXCHANGE_1(x, y)                  \
  {                                       \
    const FLOATV t = x, u = y;            \
    x = (FLOATV)(t.s0, u.s0, t.s2, u.s2); \
    y = (FLOATV)(t.s1, u.s1, t.s3, u.s3); \
  }
#define TRANSPOSE(r)                            \
  EXCHANGE_1(r[0], r[1]) EXCHANGE_1(r[2], r[3]) \
  EXCHANGE_2(r[0], r[2]) EXCHANGE_2(r[1], r[3])
#elif VW == 8
#define EXCHANGE_4(x, y)                                          \
  {                                                               \
    const FLOATV t = x, u = y;                                    \
    x = (FLOATV)(t.s0, t.s1, t.s2, t.s3, u.s0, u.s1, u.s2, u.s3); \
    y = (FLOATV)(t.s4, t.s5, t.s6, t.s7, u.s4, u.s5, u.s6, u.s7); \
  }
#define EXCHANGE_2(x, y)                                          \
  {                                                               \
    const FLOATV t = x, u = y;                                    \
    x = (FLOATV)(t.s0, t.s1, u.s0, u.s1, t.s4, t.s5, u.s4, u.s5); \
    y = (FLOATV)(t.s2, t.s3, u.s2, u.s3, t.s6, t.s7, u.s6, u.s7); \
  }
#define EXCHANGE_1(x, y)                                          \
  {                                                               \
    const FLOATV t = x, u = y;                                    \
    x = (FLOATV)(t.s0, u.s0, t.s2, u.s2, t.s4, u.s4, t.s6, u.s6); \
    y = (FLOATV)(t.s1, u.s1, t.s3, u.s3, t.s5, u.s5, t.s7, u.s7); \
  }
#define TRANSPOSE(r)                                                                          \
  EXCHANGE_1(r[0], r[1]) EXCHANGE_1(r[2], r[3]) EXCHANGE_1(r[4], r[5]) EXCHANGE_1(r[6], r[7]) \
  EXCHANGE_2(r[0], r[2]) EXCHANGE_2(r[1], r[3]) EXCHANGE_2(r[4], r[6]) EXCHANGE_2(r[5], r[7]) \
  EXCHANGE_4(r[0], r[4]) EXCHANGE_4(r[1], r[5]) EXCHANGE_4(r[2], r[6]) EXCHANGE_4(r[3], r[7])
#elif VW == 16
#define EXCHANGE_8(x, y)                                          \
  {                                                               \
    const FLOATV t = x, u = y;                                    \
    x = (FLOATV)(t.s0, t.s1, t.s2, t.s3, t.s4, t.s5, t.s6, t.s7,  \
                 u.s0, u.s1, u.s2, u.s3, u.s4, u.s5, u.s6, u.s7); \
    y = (FLOATV)(t.s8, t.s9, t.sa, t.sb, t.sc, t.sd, t.se, t.sf,  \
                 u.s8, u.s9, u.sa, u.sb, u.sc, u.sd, u.se, u.sf); \
  }
#define EXCHANGE_4(x, y)                                          \
  {                                                               \
    const FLOATV t = x, u = y;                                    \
    x = (FLOATV)(t.s0, t.s1, t.s2, t.s3, u.s0, u.s1, u.s2, u.s3,  \
                 t.s8, t.s9, t.sa, t.sb, u.s8, u.s9, u.sa, u.sb); \
    y = (FLOATV)(t.s4, t.s5, t.s6, t.s7, u.s4, u.s5, u.s6, u.s7,  \
                 t.sc, t.sd, t.se, t.sf, u.sc, u.sd, u.se, u.sf); \
  }
#define EXCHANGE_2(x, y)                                          \
  {                                                               \
    const FLOATV t = x, u = y;                                    \
    x = (FLOATV)(t.s0, t.s1, u.s0, u.s1, t.s4, t.s5, u.s4, u.s5,  \
                 t.s8, t.s9, u.s8, u.s9, t.sc, t.sd, u.sc, u.sd); \
    y = (FLOATV)(t.s2, t.s3, u.s2, u.s3, t.s6, t.s7, u.s6, u.s7,  \
                 t.sa, t.sb, u.sa, u.sb, t.se, t.sf, u.se, u.sf); \
  }
#define EXCHANGE_1(x, y)                                          \
  {                                                               \
    const FLOATV t = x, u = y;                                    \
    x = (FLOATV)(t.s0, u.s0, t.s2, u.s2, t.s4, u.s4, t.s6, u.s6,  \
                 t.s8, u.s8, t.sa, u.sa, t.sc, u.sc, t.se, u.se); \
    y = (FLOATV)(t.s1, u.s1, t.s3, u.s3, t.s5, u.s5, t.s7, u.s7,  \
                 t.s9, u.s9, t.sb, u.sb, t.sd, u.sd, t.sf, u.sf); \
  }
#define TRANSPOSE(r)                                                                                \
  EXCHANGE_1(r[0], r[1]) EXCHANGE_1(r[2], r[3]) EXCHANGE_1(r[4], r[5]) EXCHANGE_1(r[6], r[7])       \
  EXCHANGE_1(r[8], r[9]) EXCHANGE_1(r[10], r[11]) EXCHANGE_1(r[12], r[13]) EXCHANGE_1(r[14], r[15]) \
  EXCHANGE_2(r[0], r[2]) EXCHANGE_2(r[1], r[3]) EXCHANGE_2(r[4], r[6]) EXCHANGE_2(r[5], r[7])       \
  EXCHANGE_2(r[8], r[10]) EXCHANGE_2(r[9], r[11]) EXCHANGE_2(r[12], r[14]) EXCHANGE_2(r[13], r[15]) \
  EXCHANGE_4(r[0], r[4]) EXCHANGE_4(r[1], r[5]) EXCHANGE_4(r[2], r[6]) EXCHANGE_4(r[3], r[7])       \
  EXCHANGE_4(r[8], r[12]) EXCHANGE_4(r[9], r[13]) EXCHANGE_4(r[10], r[14]) EXCHANGE_4(r[11], r[15]) \
  EXCHANGE_8(r[0], r[8]) EXCHANGE_8(r[1], r[9]) EXCHANGE_8(r[2], r[10]) EXCHANGE_8(r[3], r[11])     \
  EXCHANGE_8(r[4], r[12]) EXCHANGE_8(r[5], r[13]) EXCHANGE_8(r[6], r[14]) EXCHANGE_8(r[7], r[15])
#endif
