#include "step_block.hpp"

#include "apiq/error.hpp"
#include "calib/recipe.hpp"
#include "family/pre_norm_block.hpp"
#include "family/tensor_names.hpp"
#include "harness.hpp"
#include "io/model_directory.hpp"
#include "ops/gemm.hpp"
#include "quant/method.hpp"

namespace apiq::perf {

using runtime::DeviceTensor;
using runtime::TensorView;

namespace {

ModelConfig shape(std::uint32_t hidden, std::uint32_t intermediate, std::uint32_t heads,
                  std::uint32_t kv_heads) {
  ModelConfig c;
  c.hidden_size = hidden;
  c.intermediate_size = intermediate;
  c.num_attention_heads = heads;
  c.num_key_value_heads = kv_heads;
  c.head_dim = hidden / heads;
  c.rms_norm_eps = 1e-5f;
  c.block = pre_norm_block(c);
  return c;
}

}  // namespace

std::string StepCase::text() const {
  return name + ", " + std::to_string(tokens) + " tokens, " + std::to_string(bits) + " bits, group " +
         std::to_string(group_size) + ", rank " + std::to_string(rank);
}

double StepCase::flops() const {
  const double T = static_cast<double>(tokens), r = rank;
  double sum = 0;
  for (std::uint32_t l = 0; l < config.block.linears.size(); ++l) {
    const double out = config.block.linears[l].out_features, in = config.block.linears[l].in_features;
    const bool passes_gradient = l >= config.block.stages[0].end;  // nothing trained lies before the first
    sum += 2 * T * out * in * (passes_gradient ? 3 : 2) + 6 * T * r * (out + in);
  }
  // Attention: two products forward, five backward, over the half of all pairs that a causal mask leaves.
  return sum + 7 * T * (T + 1) * config.q_features();
}

StepCase step_case(const std::string& shape_or_model, std::uint64_t tokens) {
  StepCase c;
  c.name = shape_or_model;
  c.tokens = tokens;
  if (shape_or_model == "7B") {
    c.config = shape(4096, 11008, 32, 32);
  } else if (shape_or_model == "70B") {
    c.config = shape(8192, 28672, 64, 8);
  } else if (std::filesystem::is_directory(shape_or_model)) {
    c.model = shape_or_model;
    c.name = c.model.filename().string();
    c.config = ModelDirectory::open(c.model).config();
    c.rank = 16;  // of the small models' runs
  } else {
    throw InvalidArgument("[bench_step] block '" + shape_or_model +
                          "' is neither 7B nor 70B nor a folder with a model");
  }
  c.config.max_position_embeddings = static_cast<std::uint32_t>(tokens);
  return c;
}

DeviceTensor StepBlock::filled(const Shape& shape, float size, std::uint32_t seed) const {
  DeviceTensor tensor(queue_.device(), DType::f32, shape, "benchmark block");
  auto values = random_floats(shape.elements(), seed);
  for (float& value : values) value *= size;
  queue_.write(tensor, values.data());
  return tensor;
}

StepBlock::StepBlock(runtime::Queue& queue, const StepCase& c)
    : queue_(queue),
      case_(c),
      rope_(queue, case_.config, static_cast<std::uint32_t>(c.tokens)),
      block_(queue, case_.config.block, rope_, c.tokens) {
  const std::uint64_t hidden = c.config.hidden_size;
  const BlockSpec& spec = case_.config.block;
  for (const NormSpec& norm : spec.norms) {
    norms_.push_back(filled({norm.width}, 0, 0));
    queue.write(norms_.back(), std::vector<float>(norm.width, 1.0f).data());
  }
  for (const LinearSpec& linear : spec.linears)  // a standard deviation of 0.02
    weights_.push_back(filled({linear.out_features, linear.in_features}, 0.035f,
                              1 + static_cast<std::uint32_t>(weights_.size())));
  if (!c.model.empty()) {
    const ModelDirectory model = ModelDirectory::open(c.model);
    const auto load = [&](const DeviceTensor& to, const std::string& name) {
      queue.write(to, to_f32(model.tensors().find(name)->dtype, model.tensors().bytes(name), name).data());
    };
    for (std::uint32_t n = 0; n < norms_.size(); ++n) load(norms_[n], weight_tensor(0, spec.norms[n].name));
    for (std::uint32_t l = 0; l < weights_.size(); ++l)
      load(weights_[l], weight_tensor(0, spec.linears[l].name));
  }
  block_.set_vectors(norms_, {});
  x_ = filled({c.tokens, hidden}, 1.0f, 20);
  target_ = filled({c.tokens, hidden}, 0, 0);
  const runtime::Workspace::Scope scope(queue.workspace());
  block_.forward(
      x_,
      [&](std::uint32_t l, const TensorView& x, const TensorView& y) {
        ops::matmul_nt(queue_, runtime::Rounding::none, x, weights_[l], y);
      },
      target_);
}

void StepBlock::train(std::uint32_t steps, const std::string& recipe,
                      const std::function<void(std::uint64_t)>& step_done) {
  const auto method = quant::make_method(ApiqBwOptions());
  TrainOptions train = calib::find_recipe(recipe, method->traits()).train;
  train.epochs = 1;
  train.batch_size = 1;
  train.lora_init = LoraInit::kaiming;
  quant::BlockProblem problem{.queue = queue_,
                              .name = case_.name,
                              .block = block_,
                              .linears = {},
                              .train = train,
                              .num_samples = steps,
                              .tokens_per_sample = static_cast<std::uint32_t>(case_.tokens),
                              .hidden_size = case_.config.hidden_size,
                              .input = [&](std::uint32_t) { return x_.view(); },
                              .target = [&](std::uint32_t) { return target_.view(); },
                              .training_begins = [] {},
                              .step_done = step_done};
  for (std::uint32_t l = 0; l < weights_.size(); ++l)
    problem.linears.push_back({std::string(case_.config.block.linears[l].name), 1 + l, weights_[l], true,
                               ops::QuantSpec{case_.bits, case_.group_size, false, true}, case_.rank, 16.0f});
  method->quantize_block(problem);
}

}  // namespace apiq::perf
