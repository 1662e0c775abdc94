// A low-rank branch of a linear, y += scaling * (x A^T) B^T: frozen (binary16, as it is stored) or trained.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "runtime/queue.hpp"

namespace apiq::model {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::Rounding;
using runtime::TensorView;

/// What an adapter is, apart from its values.
struct AdapterForm {
  std::string name;
  std::uint32_t out_features = 0, in_features = 0;
  std::uint32_t rank = 0;  // at least 1
  float scaling = 0;       // alpha / rank
};

/// Products are enqueued, with fp32 sums in a fixed order and rounding as in ops/gemm.hpp. x, dy, y and dx
/// are f32 or f16, [tokens, features].
class Adapter {
 public:
  /// Values as stored, on the device as they are: A [rank, in_features], B [out_features, rank]. Throws
  /// ShapeError.
  static Adapter frozen(Queue& queue, AdapterForm form, std::span<const std::uint16_t> A,
                        std::span<const std::uint16_t> B);
  /// f32 values, which an optimizer changes and the products read as they are, and as many gradients (zero
  /// so far).
  static Adapter trained(Queue& queue, AdapterForm form, std::span<const float> A, std::span<const float> B);

  const AdapterForm& form() const { return form_; }
  bool is_frozen() const { return gradients_.empty(); }
  TensorView A() const { return part_A(values_); }  // [rank, in_features]
  TensorView B() const { return part_B(values_); }  // [out_features, rank]
  /// A, then B, as one flat tensor, and their gradients in the same order: an optimizer steps them in one
  /// launch. Gradients are empty of a frozen adapter.
  const TensorView& values() const { return values_; }
  const TensorView& gradients() const { return gradients_; }
  TensorView d_A() const { return part_A(gradients_); }
  TensorView d_B() const { return part_B(gradients_); }

  /// y += scaling * (x A^T) B^T
  void forward(Queue& queue, Rounding rounding, const TensorView& x, const TensorView& y) const;
  /// dx += scaling * (dy B) A
  void backward_dx(Queue& queue, Rounding rounding, const TensorView& dy, const TensorView& dx) const;
  /// d_A = scaling * (dy B)^T x, d_B = scaling * dy^T (x A^T), added to what is there if accumulate. Nothing
  /// of a frozen adapter.
  void backward_values(Queue& queue, Rounding rounding, const TensorView& x, const TensorView& dy,
                       bool accumulate) const;
  /// weight f32 [out_features, in_features] += scaling * B A
  void add_to(Queue& queue, const TensorView& weight) const;

 private:
  Adapter(Queue& queue, AdapterForm form, DType dtype);
  template <class T>
  void write(Queue& queue, std::span<const T> A, std::span<const T> B);
  TensorView part_A(const TensorView& flat) const;
  TensorView part_B(const TensorView& flat) const;

  AdapterForm form_;
  DeviceTensor values_, gradients_;
};

}  // namespace apiq::model
