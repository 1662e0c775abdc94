// Shape of a dense row-major tensor: up to four dimensions, the last one contiguous.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "apiq/error.hpp"

namespace apiq {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::uint64_t> dims) {
    if (dims.size() > kMaxRank) throw ShapeError("[shape] expected at most 4 dimensions");
    for (auto d : dims) dims_[rank_++] = d;
  }

  int rank() const { return rank_; }
  std::uint64_t operator[](int axis) const { return dims_[axis]; }
  std::uint64_t elements() const {
    std::uint64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  bool operator==(const Shape&) const = default;

  /// "[2, 3]", for error texts.
  std::string text() const {
    std::string s = "[";
    for (int i = 0; i < rank_; ++i) s += (i ? ", " : "") + std::to_string(dims_[i]);
    return s + "]";
  }

 private:
  std::array<std::uint64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace apiq
