// A packed matrix on the host: one array per plane of its codec, as it lies in files and on the device.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/format.hpp"

namespace apiq {

struct PackedMatrix {
  PackedLayout layout;
  std::vector<std::vector<std::byte>> planes;  // in the codec's order

  /// No planes yet.
  PackedMatrix() = default;
  /// Every plane in its size, all zero. Throws InvalidArgument as check_layout.
  explicit PackedMatrix(const PackedLayout& layout);

  /// A plane's elements. Throws ShapeError if there is no such plane.
  template <class T>
  std::span<T> elements(std::size_t plane) {
    std::vector<std::byte>& bytes = at(plane);
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <class T>
  std::span<const T> elements(std::size_t plane) const {
    const std::vector<std::byte>& bytes = const_cast<PackedMatrix*>(this)->at(plane);
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  bool operator==(const PackedMatrix&) const = default;

 private:
  std::vector<std::byte>& at(std::size_t plane);
};

/// Throws InvalidArgument as check_layout, and ShapeError unless every plane has the size that the layout
/// asks for: the struct is plain, anybody may have filled it. `name` is for the text.
void check_planes(const PackedMatrix& matrix, const char* name);

}  // namespace apiq
