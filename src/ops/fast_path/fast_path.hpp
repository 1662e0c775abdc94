// Fast paths as a table: one row per path, and one procedure that tries any row on a device. Matrix units,
// CLBlast, and whatever comes next are rows.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ops/qmatmul.hpp"
#include "runtime/fast_path_cache.hpp"
#include "runtime/fast_path_setting.hpp"
#include "runtime/fast_path_state.hpp"
#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::ProductKind;
using runtime::Rounding;
using runtime::Rows;

/// One product as launchers take it; which fields mean something depends on its kind.
struct ProductCall {
  ProductKind product;
  TensorView a, b, c;  // dense forms as in ops/gemm.hpp
  float alpha = 1, beta = 0;
  std::uint64_t a_stride =
      0;               // elements between neighbouring rows of a, where a is columns of a wider matrix
  PackedWeightView w;  // packed forms: a is x (or dy), c is y (or dx)
  LoraView lora;
};

struct FastPath {
  std::string name;   // "nv_mma.bf16"
  Rounding rounding;  // of its inputs; none: for f32 products, as our own kernel
  std::vector<ProductKind> products;
  std::string (*gate)(const DeviceInfo&);
  bool by_name_only = false;  // a path for tests, never tried unless $APIQ_FAST_PATHS names it
  /// Sources and options that decide how the path behaves on this device: part of the cache's key.
  std::function<std::string(Queue&)> identity;
  /// Smallest build and use of the hardware. Throws BuildError if it does not build; returns what is wrong
  /// with its results, or nothing.
  std::function<std::string(Queue&)> probe;
  std::function<void(Queue&, const ProductCall&)> run;
};

/// Every path this library has.
const std::vector<FastPath>& fast_path_table();
std::vector<std::string> names_of(const std::vector<FastPath>& table);

/// The row that takes products of this kind with so many rows of the result and just this rounding of its
/// inputs (none: another engine for f32 products); nullptr: the portable kernel. Settles the device at the
/// first call that could use a path. On devices whose gates refuse everything this is a comparison.
const FastPath* chosen_path(Queue& queue, Rounding rounding, ProductKind product, std::uint64_t rows);

/// Decides about every path now, if that was not done: before memory is planned and filled, where a trial
/// would get in the way.
void settle_fast_paths(Queue& queue);

/// While it lives this device uses the portable kernels only: for programs that measure these. Then what was
/// decided before holds again.
class PortableOnly {
 public:
  explicit PortableOnly(Queue& queue);
  ~PortableOnly();
  PortableOnly(const PortableOnly&) = delete;
  PortableOnly& operator=(const PortableOnly&) = delete;

 private:
  runtime::FastPathState& state_;
  runtime::FastPathState before_;
};

/// What computes which products on this device, for the record of a run: "f32.engine" -> "auto"
/// (gemm_engine), and "bf16.dense_nt.many" -> "nv_mma.bf16" where it is not the portable kernel. Settles the
/// device.
std::map<std::string, std::string> chosen_paths(Queue& queue);

/// settle_fast_paths for any table; for its tests.
void settle(Queue& queue, const std::vector<FastPath>& table, const runtime::FastPathSetting& setting,
            const runtime::FastPathCache& cache);

/// What the setting and the gate say of one path, with an empty stage if it may be tried.
FastPathReport gate_report(const DeviceInfo& device, const FastPath& path,
                           const runtime::FastPathSetting& setting);

}  // namespace apiq::ops
