#include "codec/codecs.hpp"

#include <algorithm>
#include <array>

#include "apiq/error.hpp"

namespace apiq {

std::span<const Codec* const> codecs() {
  static constexpr std::array<const Codec*, 1> all{&kAffine};
  return all;
}

const Codec* find_codec(std::string_view layout, std::span<const Codec* const> among) {
  const auto found =
      std::find_if(among.begin(), among.end(), [&](const Codec* codec) { return codec->layout == layout; });
  return found != among.end() ? *found : nullptr;
}

std::string bits_text(const Codec& codec) {
  std::string text;
  for (std::size_t i = 0; i < codec.bits.size(); ++i)
    text += (i == 0 ? "" : i + 1 < codec.bits.size() ? ", " : " or ") + std::to_string(codec.bits[i]);
  return text;
}

bool has_bits(const Codec& codec, std::uint32_t bits) {
  return std::find(codec.bits.begin(), codec.bits.end(), bits) != codec.bits.end();
}

std::uint64_t PackedLayout::bytes() const {
  std::uint64_t sum = 0;
  for (const Plane& plane : codec->planes(*this)) sum += plane.bytes();
  return sum;
}

void check_layout(const PackedLayout& layout, const char* name) {
  const std::string where = "[packed] " + std::string(name) + ": ";
  if (!has_bits(*layout.codec, layout.bits))
    throw InvalidArgument(where + "bits " + std::to_string(layout.bits) + " is not one of " +
                          bits_text(*layout.codec));
  if (layout.out_features == 0 || layout.in_features == 0)
    throw InvalidArgument(where + "out_features and in_features must be at least 1");
  if (layout.group_size != 0 && layout.in_features % layout.group_size == 0) return;
  std::string sizes;
  for (auto size : possible_group_sizes(layout.in_features))
    sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  throw InvalidArgument(where + "group_size " + std::to_string(layout.group_size) +
                        " does not divide in_features " + std::to_string(layout.in_features) +
                        "; sizes that do: " + sizes);
}

std::vector<std::uint32_t> possible_group_sizes(std::uint32_t in_features) {
  std::vector<std::uint32_t> sizes;
  for (std::uint32_t d = 1; static_cast<std::uint64_t>(d) * d <= in_features; ++d) {
    if (in_features % d != 0) continue;
    sizes.push_back(d);
    if (d != in_features / d) sizes.push_back(in_features / d);
  }
  std::sort(sizes.begin(), sizes.end());
  // Below 32 the scales and zero points outweigh the codes they describe.
  if (in_features >= 32) std::erase_if(sizes, [](std::uint32_t d) { return d < 32; });
  return sizes;
}

PackedMatrix::PackedMatrix(const PackedLayout& wanted) : layout(wanted) {
  check_layout(layout, "weight");
  for (const Plane& plane : layout.codec->planes(layout)) planes.emplace_back(plane.bytes());
}

std::vector<std::byte>& PackedMatrix::at(std::size_t plane) {
  if (plane < planes.size()) return planes[plane];
  throw ShapeError("[packed] plane " + std::to_string(plane) + ": the matrix has " +
                   std::to_string(planes.size()));
}

void check_planes(const PackedMatrix& matrix, const char* name) {
  check_layout(matrix.layout, name);
  const std::vector<Plane> wanted = matrix.layout.codec->planes(matrix.layout);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::size_t found = i < matrix.planes.size() ? matrix.planes[i].size() : 0;
    if (found != wanted[i].bytes())
      throw ShapeError("[packed] " + std::string(name) + ": " + std::string(wanted[i].name) + ": expected " +
                       std::to_string(wanted[i].bytes()) + " bytes, got " + std::to_string(found));
  }
}

}  // namespace apiq
