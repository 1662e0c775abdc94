// What a device has decided about fast paths so far. Filled by ops/fast_path, which knows the kernels; kept
// here because it lives as long as the device.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "apiq/fast_paths.hpp"
#include "runtime/rounding.hpp"

namespace apiq::runtime {

/// The kinds of products a path can take over.
enum class ProductKind { dense_nt, dense_nn, dense_tn, packed_forward, packed_dx };
inline constexpr int kProducts = 5;

/// Shape classes by the rows of the result. One row stays with the mat-vec kernels: it reads the weight once
/// and computes next to nothing.
enum class Rows { few, many };
inline constexpr int kRowClasses = 2;
inline constexpr std::uint64_t kManyRows = 64;
constexpr Rows rows_class(std::uint64_t rows) { return rows < kManyRows ? Rows::few : Rows::many; }

constexpr std::string_view name_of(ProductKind product) {
  constexpr std::string_view names[] = {"dense_nt", "dense_nn", "dense_tn", "packed_forward", "packed_dx"};
  return names[static_cast<int>(product)];
}
constexpr std::string_view name_of(Rows rows) { return rows == Rows::few ? "few" : "many"; }
constexpr std::string_view name_of(Rounding rounding) {
  constexpr std::string_view names[] = {"f32", "f16", "bf16"};
  return names[static_cast<int>(rounding)];
}

struct FastPathState {
  enum class Phase { open, trying, settled } phase = Phase::open;
  std::vector<FastPathReport> reports;
  std::uint64_t used = 0;  // bit r: row r of the table has taken a product

  static constexpr int kPortable = -1;
  /// Row of the table that takes these products, or kPortable.
  int& choice(Rounding r, ProductKind p, Rows m) {
    return choices[(static_cast<int>(r) * kProducts + static_cast<int>(p)) * kRowClasses +
                   static_cast<int>(m)];
  }
  std::array<int, kRoundings* kProducts* kRowClasses> choices = [] {
    std::array<int, kRoundings * kProducts * kRowClasses> none{};
    none.fill(kPortable);
    return none;
  }();
};

}  // namespace apiq::runtime
