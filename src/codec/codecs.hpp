// Codecs: the ways to store a weight matrix, one row each. Files, uploads, sizes and kernels go through the
// row, so a codec is added by a row here and a header for the kernels (CONTRIBUTING.md).
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiq/dtype.hpp"
#include "codec/packed_matrix.hpp"
#include "tensor/shape.hpp"

namespace apiq {

/// One stored array of a packed matrix: a dataset in files, a buffer on the device.
struct Plane {
  std::string_view name;
  DType dtype = DType::u32;
  Shape shape;
  std::uint64_t bytes() const { return shape.elements() * size_of(dtype); }
};

struct Codec {
  std::string_view name;                // in messages
  std::string_view layout;              // in files: the attribute `layout` of a linear
  std::span<const std::uint32_t> bits;  // that a code may have, ascending

  /// What a matrix consists of, codes first; at most three planes, in the order of the kernels' arguments.
  std::vector<Plane> (*planes)(const PackedLayout& layout);
  /// What kernels are compiled with to read it.
  std::vector<std::pair<std::string_view, int>> (*macros)(const WeightFormat& format);
  /// f32 [out_features, in_features] row-major, rounded to the nearest values that a simple choice of grid
  /// offers. Methods find better ones; this is for tests and trials.
  PackedMatrix (*encode)(const PackedLayout& layout, std::span<const float> weight);
  /// The weight, f32 row-major: what every kernel must compute with.
  std::vector<float> (*decode)(const PackedMatrix& matrix);
  /// Throws FormatError "<where>/<plane>: ..." for values that no correct writer produces.
  void (*check_values)(const PackedMatrix& matrix, const std::string& where);
};

/// All that files may hold.
std::span<const Codec* const> codecs();
/// By the attribute of a file; nullptr if there is none.
const Codec* find_codec(std::string_view layout, std::span<const Codec* const> among = codecs());

/// "2, 3, 4 or 8"
std::string bits_text(const Codec& codec);
bool has_bits(const Codec& codec, std::uint32_t bits);

}  // namespace apiq
