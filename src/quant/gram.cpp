#include "quant/gram.hpp"

#include <algorithm>

#include "ops/gemm.hpp"
#include "ops/nn.hpp"

namespace apiq::quant {

using runtime::Workspace;

GramObjective::GramObjective(const LinearProblem& problem)
    : queue_(problem.queue),
      scale_(static_cast<float>(1.0 / (static_cast<double>(problem.num_samples) * problem.tokens_per_sample *
                                       problem.out_features()))),
      moments_(queue_.device(), DType::f32, {problem.in_features(), problem.in_features()},
               "second moments of the inputs"),
      cross_(queue_.device(), DType::f32, {problem.out_features(), problem.in_features()},
             "moments of targets and inputs"),
      constant_(queue_.device(), DType::f32, {1}, "target norm") {
  const DeviceTensor one(queue_.device(), DType::f32, {1}, "target norm");
  queue_.fill_zero(constant_);
  for (std::uint32_t i = 0; i < problem.num_samples; ++i) {
    const float keep = i == 0 ? 0.0f : 1.0f;
    const TensorView x = problem.input(i), target = problem.target(i);
    ops::matmul_tn(queue_, runtime::Rounding::none, x, x, moments_, scale_, keep);
    ops::matmul_tn(queue_, runtime::Rounding::none, target, x, cross_, scale_, keep);
    ops::dot(queue_, target, target, one);
    ops::scaled_add(queue_, scale_, one, 1.0f, constant_, constant_);
    problem.step_done(0);
  }
}

void GramObjective::step(TrainedLinear& linear, const StepInfo& info) const {
  Workspace::Scope scope(queue_.workspace());
  const std::uint64_t out = cross_.shape()[0], in = cross_.shape()[1];
  const TensorView weight = linear.effective(), product = queue_.workspace().allocate(DType::f32, {out, in});
  ops::matmul_nn(queue_, runtime::Rounding::none, weight, moments_, product);
  // L = sum M (M H - 2 C) + constant; then G = 2 (M H - C).
  ops::scaled_add(queue_, 1.0f, product, -2.0f, cross_, product);
  ops::dot(queue_, weight, product, info.loss);
  ops::scaled_add(queue_, 1.0f, info.loss, 1.0f, constant_, info.loss);
  ops::scaled_add(queue_, 2.0f, product, 2.0f, cross_, product);
  const std::uint64_t rows = TrainedLinear::slab_rows(out, in);
  for (std::uint64_t begin = 0; begin < out; begin += rows)
    linear.backward_rows(info, runtime::Rounding::none, begin,
                         product.rows(begin, std::min(rows, out - begin)));
  linear.guard(info);
  linear.step(info);
}

}  // namespace apiq::quant
