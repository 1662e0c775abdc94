#include "quant/trained_linear.hpp"

#include <algorithm>

#include "ops/adamw.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "quant/low_rank.hpp"

namespace apiq::quant {

using runtime::Workspace;

namespace {

/// 32 MiB of gradient at a time: large enough for the products to run at full speed.
constexpr std::uint64_t kSlabElements = 8 << 20;

}  // namespace

std::uint64_t TrainedLinear::slab_rows(std::uint64_t out_features, std::uint64_t in_features) {
  return std::min(out_features, std::max<std::uint64_t>(kSlabElements / in_features / 32 * 32, 32));
}

TrainedLinear::TrainedLinear(Queue& queue, const TensorView& weight, const LinearSetup& settings,
                             const TrainOptions& train, bool keep_effective)
    : queue_(queue),
      weight_(weight),
      spec_(settings.spec),
      seed_(settings.seed),
      grid_(queue, weight, settings.spec),
      lora_(queue, static_cast<std::uint32_t>(weight.shape[0]), static_cast<std::uint32_t>(weight.shape[1]),
            settings.rank, settings.alpha, settings.seed),
      d_logits_(queue.device(), DType::f32, grid_.logits().shape, "logit gradients"),
      clip_optimizer_(queue, grid_.logits(), train.clip_learning_rate, train.clip_weight_decay) {
  if (train.range_init == RangeInit::mse) grid_.search_range();
  if (settings.rank != 0)
    lora_optimizer_.emplace(queue, lora_.parameters(), train.lora_learning_rate, train.lora_weight_decay);
  if (train.weight_learning_rate != 0)
    weight_optimizer_.emplace(queue, weight_, train.weight_learning_rate, 0.0f,
                              slab_rows(weight.shape[0], weight.shape[1]));
  if (keep_effective) effective_ = DeviceTensor(queue.device(), DType::f32, weight.shape, "effective weight");
}

std::uint64_t TrainedLinear::device_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                          std::uint32_t group_size, std::uint32_t rank,
                                          const TrainOptions& train, bool keep_effective) {
  const std::uint64_t groups = in_features / group_size, weights = out_features * in_features,
                      logits = 2 * out_features * groups;
  std::uint64_t bytes = ClippedGrid::device_bytes(out_features, groups) +
                        LoraState::device_bytes(out_features, in_features, rank);
  bytes += sizeof(float) * logits + AdamwState::device_bytes(logits) +
           AdamwState::device_bytes(rank * (out_features + in_features));
  if (train.weight_learning_rate != 0) {
    const std::uint64_t rows = slab_rows(out_features, in_features);
    bytes += AdamwState::device_bytes(weights, (out_features + rows - 1) / rows);
  }
  if (keep_effective) bytes += sizeof(float) * weights;
  return bytes;
}

std::uint64_t TrainedLinear::scratch_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                           bool keep_effective) {
  return sizeof(float) * (slab_rows(out_features, in_features) * in_features +
                          (keep_effective ? 0 : out_features * in_features));
}

void TrainedLinear::start_lora(const TensorView& moments) {
  if (lora_.rank() == 0) return;
  Workspace::Scope scope(queue_.workspace());
  const TensorView error = queue_.workspace().allocate(DType::f32, weight_.shape);
  grid_.fake_quantize(error);
  ops::scaled_add(queue_, 1.0f, weight_, -1.0f, error, error);
  LowRank start = low_rank_correction(queue_, error, moments, lora_.rank(), lora_.scaling(), seed_);
  // A pair past the rank of the error is zero; with both halves zero it would never get a gradient, so its A
  // stays random.
  const std::vector<float> random = runtime::read_floats(queue_, lora_.A());
  const std::size_t in = weight_.shape[1];
  for (std::size_t row = 0; row < start.A.size(); row += in) {
    const auto begin = start.A.begin() + static_cast<std::ptrdiff_t>(row),
               end = begin + static_cast<std::ptrdiff_t>(in);
    if (std::all_of(begin, end, [](float a) { return a == 0; }))
      std::copy_n(random.begin() + static_cast<std::ptrdiff_t>(row), in, begin);
  }
  queue_.write(lora_.A(), start.A.data());
  queue_.write(lora_.B(), start.B.data());
  effective_is_current_ = false;
}

TensorView TrainedLinear::effective() {
  if (effective_is_current_) return effective_;
  const TensorView out =
      effective_.empty() ? queue_.workspace().allocate(DType::f32, weight_.shape) : effective_.view();
  grid_.fake_quantize(out);
  if (lora_.rank() != 0)
    ops::matmul_nn(queue_, runtime::Rounding::none, lora_.B(), lora_.A(), out, lora_.scaling(), 1.0f);
  effective_is_current_ = !effective_.empty();
  return out;
}

void TrainedLinear::forward(const TensorView& x, const TensorView& y) {
  Workspace::Scope scope(queue_.workspace());
  const TensorView weight = effective();
  ops::matmul_nt(queue_, queue_.device().rounding(runtime::Work::training), x, weight, y);
}

void TrainedLinear::backward(const StepInfo& info, const TensorView& x, const TensorView& dy,
                             const TensorView& dx, bool accumulate) {
  const runtime::Rounding rounding = queue_.device().rounding(runtime::Work::gradient);
  if (dx.memory != nullptr) {
    Workspace::Scope scope(queue_.workspace());
    const TensorView weight = effective();
    ops::matmul_nn(queue_, rounding, dy, weight, dx, 1.0f, accumulate ? 1.0f : 0.0f);
  }
  const std::uint64_t out = weight_.shape[0], in = weight_.shape[1], rows = slab_rows(out, in);
  Workspace::Scope scope(queue_.workspace());
  const TensorView slab = queue_.workspace().allocate(DType::f32, {rows, in});
  for (std::uint64_t begin = 0; begin < out; begin += rows) {
    const std::uint64_t count = std::min(rows, out - begin);
    const TensorView gradient = slab.rows(0, count);
    ops::matmul_tn(queue_, rounding, ops::Columns{dy, begin, count}, x, gradient);
    backward_rows(info, rounding, begin, gradient);
  }
}

void TrainedLinear::backward_rows(const StepInfo& info, runtime::Rounding rounding, std::uint64_t begin,
                                  const TensorView& gradient) {
  const std::uint64_t count = gradient.shape[0];
  if (lora_.rank() != 0) {
    const float c = lora_.scaling();
    ops::matmul_nt(queue_, rounding, gradient, lora_.A(), lora_.dB().rows(begin, count), c);
    ops::matmul_tn(queue_, rounding, lora_.B().rows(begin, count), gradient, lora_.dA(), c,
                   begin == 0 ? 0.0f : 1.0f);
  }
  grid_.backward(begin, count, gradient, d_logits_, weight_optimizer_ ? gradient : TensorView{});
  if (!weight_optimizer_) return;
  ops::guard_loss(queue_, info.loss, gradient);
  weight_optimizer_->step_rows(queue_, info, begin, gradient);
}

void TrainedLinear::guard(const StepInfo& info) {
  if (lora_optimizer_) ops::guard_loss(queue_, info.loss, d_logits_, lora_.gradients());
  else ops::guard_loss(queue_, info.loss, d_logits_);
}

void TrainedLinear::step(const StepInfo& info) {
  if (lora_optimizer_) lora_optimizer_->step(queue_, info, lora_.gradients());
  clip_optimizer_.step(queue_, info, d_logits_);
  grid_.update();
  effective_is_current_ = false;
}

QuantizedLinear TrainedLinear::store() {
  QuantizedLinear out;
  out.weight = grid_.pack();
  out.symmetric = spec_.symmetric;
  lora_.store(queue_, out);
  return out;
}

}  // namespace apiq::quant
