#include "model/adapter.hpp"

#include "apiq/error.hpp"
#include "ops/gemm.hpp"

namespace apiq::model {

using runtime::Workspace;

Adapter::Adapter(Queue& queue, AdapterForm form, DType dtype) : form_(std::move(form)) {
  if (form_.rank == 0) throw InvalidArgument("[adapter] " + form_.name + ": rank is 0; expected at least 1");
  const std::uint64_t count =
      std::uint64_t{form_.rank} * (std::uint64_t{form_.in_features} + form_.out_features);
  values_ = DeviceTensor(queue.device(), dtype, {count}, "adapter");
}

template <class T>
void Adapter::write(Queue& queue, std::span<const T> A, std::span<const T> B) {
  const auto check = [&](const char* what, std::uint64_t found, const Shape& shape) {
    if (found != shape.elements())
      throw ShapeError("[adapter] " + form_.name + ": " + what + ": expected " + shape.text() + ", got " +
                       std::to_string(found) + " values");
  };
  check("A", A.size(), this->A().shape);
  check("B", B.size(), this->B().shape);
  queue.write(this->A(), A.data());
  queue.write(this->B(), B.data());
}

Adapter Adapter::frozen(Queue& queue, AdapterForm form, std::span<const std::uint16_t> A,
                        std::span<const std::uint16_t> B) {
  Adapter out(queue, std::move(form), DType::f16);
  out.write(queue, A, B);
  return out;
}

Adapter Adapter::trained(Queue& queue, AdapterForm form, std::span<const float> A, std::span<const float> B) {
  Adapter out(queue, std::move(form), DType::f32);
  out.write(queue, A, B);
  out.gradients_ = DeviceTensor(queue.device(), DType::f32, out.values_.shape(), "adapter gradients");
  queue.fill_zero(out.gradients_);
  return out;
}

TensorView Adapter::part_A(const TensorView& flat) const {
  return flat.rows(0, std::uint64_t{form_.rank} * form_.in_features)
      .reshaped({form_.rank, form_.in_features});
}

TensorView Adapter::part_B(const TensorView& flat) const {
  return flat
      .rows(std::uint64_t{form_.rank} * form_.in_features, std::uint64_t{form_.rank} * form_.out_features)
      .reshaped({form_.out_features, form_.rank});
}

void Adapter::forward(Queue& queue, Rounding rounding, const TensorView& x, const TensorView& y) const {
  Workspace::Scope scope(queue.workspace());
  const TensorView t = queue.workspace().allocate(DType::f32, {x.shape[0], form_.rank});
  ops::matmul_nt(queue, rounding, x, A(), t, form_.scaling);
  ops::matmul_nt(queue, rounding, t, B(), y, 1.0f, 1.0f);
}

void Adapter::backward_dx(Queue& queue, Rounding rounding, const TensorView& dy, const TensorView& dx) const {
  Workspace::Scope scope(queue.workspace());
  const TensorView u = queue.workspace().allocate(DType::f32, {dy.shape[0], form_.rank});
  ops::matmul_nn(queue, rounding, dy, B(), u, form_.scaling);
  ops::matmul_nn(queue, rounding, u, A(), dx, 1.0f, 1.0f);
}

// The narrow products are computed again rather than kept from forward: they cost a rank-th of a product with
// the weight, and keeping them would cost memory per adapter, linear and block.
void Adapter::backward_values(Queue& queue, Rounding rounding, const TensorView& x, const TensorView& dy,
                              bool accumulate) const {
  if (is_frozen()) return;
  Workspace::Scope scope(queue.workspace());
  const float kept = accumulate ? 1.0f : 0.0f;
  const TensorView narrow = queue.workspace().allocate(DType::f32, {x.shape[0], form_.rank});
  ops::matmul_nn(queue, rounding, dy, B(), narrow, form_.scaling);
  ops::matmul_tn(queue, rounding, narrow, x, d_A(), 1.0f, kept);
  ops::matmul_nt(queue, rounding, x, A(), narrow, form_.scaling);
  ops::matmul_tn(queue, rounding, dy, narrow, d_B(), 1.0f, kept);
}

void Adapter::add_to(Queue& queue, const TensorView& weight) const {
  ops::matmul_nn(queue, Rounding::none, B(), A(), weight, form_.scaling, 1.0f);
}

}  // namespace apiq::model
