// pack, unpack, dequantize: between row-major codes u8 [out_features, in_features] with their grids and the
// packed layout. One work-item per row (or block of rows) and chunk or group; everything is written whole, so
// the padding of the layout becomes zero here.
// Meaning:   BITS 2|3|4|8   OUT_HALF 0|1 (dequantize)
// Tunables:  LS work-items per group, along rows
// Needs:     OpenCL C 1.2.   Launcher: src/ops/pack.cpp
#define GROUP_OF_ROWS __attribute__((reqd_work_group_size(LS, 1, 1)))

uint code_in(global const uint* words, uint i) {
#if BITS == 3
  return (words[i / 16 * ROW_BLOCK] >> (2 * (i % 16)) & 3u) | (words[2 * ROW_BLOCK] >> i & 1u) << 2;
#else
  return words[i / PART * ROW_BLOCK] >> (BITS * (i % PART)) & CODE_MASK;
#endif
}

uint zero_of(global const uint* qzeros, uint row, uint group, uint groups) {
  global const uint* planes = qzeros + ((size_t)(row / ROW_BLOCK) * groups + group) * BITS;
  uint zero = 0;
  for (uint p = 0; p < BITS; ++p) zero |= (planes[p] >> (row % ROW_BLOCK) & 1u) << p;
  return zero;
}

// Bits shift .. shift + width - 1 of 32 / width codes from `first` on, side by side; 0 past `count`.
uint word_of(global const uchar* codes, uint count, uint first, uint shift, uint width) {
  uint word = 0;
  for (uint i = 0; i < 32 / width && first + i < count; ++i)
    word |= (codes[first + i] >> shift & ((1u << width) - 1)) << (width * i);
  return word;
}

// A word at a time: an array of all of a chunk's words would be indexed at run time.
kernel GROUP_OF_ROWS
void pack_codes(const PackArgs a, global const uchar* restrict codes, global uint* restrict qweight) {
  const uint row = get_global_id(0), chunk = get_global_id(1);
  const uint count = row < a.out_features ? min(CHUNK, a.in_features - chunk * CHUNK) : 0;
  codes += a.codes + (size_t)row * a.in_features + chunk * CHUNK;
  qweight += a.qweight + chunk_start(row, chunk, a.chunks);
#if BITS == 3
  qweight[0] = word_of(codes, count, 0, 0, 2);
  qweight[ROW_BLOCK] = word_of(codes, count, 16, 0, 2);
  qweight[2 * ROW_BLOCK] = word_of(codes, count, 0, 2, 1);
#else
  for (uint w = 0; w < BITS; ++w) qweight[w * ROW_BLOCK] = word_of(codes, count, w * PART, 0, BITS);
#endif
}

// Scales are moved as bits: nothing is rounded.
kernel GROUP_OF_ROWS
void pack_scales(const PackArgs a, global const ushort* restrict plain_scales,
                 global ushort* restrict scales) {
  const uint row = get_global_id(0), group = get_global_id(1);
  scales[a.scales + scale_start(row, group, a.groups)] =
      row < a.out_features ? plain_scales[a.plain_scales + (size_t)row * a.groups + group] : (ushort)0;
}

kernel GROUP_OF_ROWS
void pack_zeros(const PackArgs a, global const uchar* restrict plain_zeros, global uint* restrict qzeros) {
  const uint item = get_global_id(0), group = get_global_id(1);
  const uint blocks = (a.out_features + ROW_BLOCK - 1) / ROW_BLOCK;
  if (item >= blocks * BITS) return;
  const uint block = item / BITS, plane = item % BITS;
  uint word = 0;
  for (uint r = 0; r < min(ROW_BLOCK, a.out_features - block * ROW_BLOCK); ++r)
    word |=
        ((uint)plain_zeros[a.plain_zeros + (size_t)(block * ROW_BLOCK + r) * a.groups + group] >> plane & 1u)
        << r;
  qzeros[a.qzeros + ((size_t)block * a.groups + group) * BITS + plane] = word;
}

// lora_B [out_features, rank] -> [rank, padded rows], zeros past the last row; moved as bits. `in_features`
// is the rank, `groups` the padded rows.
kernel GROUP_OF_ROWS
void pack_lora_B(const PackArgs a, global const ushort* restrict lora_B, global ushort* restrict lora_B_t) {
  const uint row = get_global_id(0), r = get_global_id(1);
  if (row >= a.groups) return;
  lora_B_t[a.scales + (size_t)r * a.groups + row] =
      row < a.out_features ? lora_B[a.plain_scales + (size_t)row * a.in_features + r] : (ushort)0;
}

kernel GROUP_OF_ROWS
void unpack_codes(const PackArgs a, global const uint* restrict qweight, global uchar* restrict codes) {
  const uint row = get_global_id(0), chunk = get_global_id(1);
  if (row >= a.out_features) return;
  qweight += a.qweight + chunk_start(row, chunk, a.chunks);
  codes += a.codes + (size_t)row * a.in_features + chunk * CHUNK;
  const uint count = min(CHUNK, a.in_features - chunk * CHUNK);
  for (uint i = 0; i < count; ++i) codes[i] = (uchar)code_in(qweight, i);
}

kernel GROUP_OF_ROWS
void dequantize(const PackArgs a, global const uint* restrict qweight, global const half* restrict scales,
                global const uint* restrict qzeros, global STORED(OUT_HALF)* restrict out) {
  const uint row = get_global_id(0), chunk = get_global_id(1);
  if (row >= a.out_features) return;
  qweight += a.qweight + chunk_start(row, chunk, a.chunks);
  out += a.out + (size_t)row * a.in_features;
  const uint first = chunk * CHUNK, last = min(first + CHUNK, a.in_features);
  uint next = first;  // first feature whose grid is not loaded yet
  float scale = 0, zero = 0;
  for (uint k = first; k < last; ++k) {
    if (k >= next) {
      const uint group = k / a.group_size;
      scale = vload_half(scale_start(row, group, a.groups), scales + a.scales);
      zero = (float)zero_of(qzeros + a.qzeros, row, group, a.groups);
      next = (group + 1) * a.group_size;
    }
    STORE(OUT_HALF)(out, k, scale * ((float)code_in(qweight, k - first) - zero));
  }
}
