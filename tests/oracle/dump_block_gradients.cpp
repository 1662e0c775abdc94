// Writes one training step of ApiQ-bw's block, inputs and gradients, for block_gradients_test.py:
//   dump_block_gradients MODEL_FOLDER OUTPUT_FOLDER
// Linears are in the middle of training: logits that clip, LoRA that is not zero. The gradients are those
// that the method's own code computes.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cases/device_fixture.hpp"
#include "io/model_directory.hpp"
#include "model/decoder_block.hpp"
#include "model/linear.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "oracle/dump.hpp"
#include "quant/trained_linear.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using runtime::DeviceTensor;
using runtime::TensorView;
using testing::Dump;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;

constexpr std::uint64_t kTokens = 24, kSequences = 2, kRows = kTokens * kSequences;
constexpr std::uint32_t kBlock = 2, kRank = 8;
constexpr ops::QuantSpec kSpec{2, 64, false, true};
constexpr float kAlpha = 16;

std::unique_ptr<quant::TrainedLinear> make_linear(const TensorView& weight, std::uint32_t l) {
  TrainOptions train;
  train.weight_learning_rate = 1e-4f;  // latent weights, so that their gradient is computed, too
  auto linear = std::make_unique<quant::TrainedLinear>(
      shared_queue(), weight, quant::LinearSetup{kSpec, kRank, kAlpha, l}, train, true);
  const TensorView logits = linear->grid().logits();
  shared_queue().write(logits, random_floats(logits.elements(), 10 + l, 0.5f, 4.0f).data());
  linear->grid().update();
  shared_queue().write(linear->lora().B(),
                       random_floats(linear->lora().B().elements(), 20 + l, -0.05f, 0.05f).data());
  return linear;
}

void dump(const fs::path& model_folder, const fs::path& out) {
  auto& queue = shared_queue();
  const ModelDirectory model = ModelDirectory::open(model_folder);
  const ModelConfig& config = model.config();
  const std::string prefix = "model.layers." + std::to_string(kBlock) + ".";
  const auto tensor = [&](const std::string& name) {
    const TensorInfo& info = *model.tensors().find(prefix + name);
    return model::upload_f32(queue, info, model.tensors().bytes(info.name));
  };
  Dump files(out);
  const model::RopeTables rope(queue, config, kTokens);
  const BlockSpec& spec = config.block;
  std::vector<DeviceTensor> norms;
  for (const NormSpec& norm : spec.norms) norms.push_back(tensor(std::string(norm.name) + ".weight"));
  std::vector<DeviceTensor> biases;
  for (const LinearSpec& linear : spec.linears)
    biases.push_back(linear.bias ? tensor(std::string(linear.name) + ".bias") : DeviceTensor());
  model::DecoderBlock block(queue, spec, rope, kTokens);
  block.set_vectors(norms, biases);
  std::vector<DeviceTensor> weights;
  std::vector<std::unique_ptr<quant::TrainedLinear>> linears;
  for (std::uint32_t l = 0; l < spec.linears.size(); ++l) {
    const std::string name(spec.linears[l].name);
    weights.push_back(tensor(name + ".weight"));
    linears.push_back(make_linear(weights[l], l));
    files.write(name + ".logits", linears[l]->grid().logits());
    files.write(name + ".A", linears[l]->lora().A());
    files.write(name + ".B", linears[l]->lora().B());
  }
  const Shape shape{kRows, config.hidden_size};
  const DeviceTensor x = upload(random_floats(shape.elements(), 1), shape),
                     target = upload(random_floats(shape.elements(), 2), shape);
  const DeviceTensor y(queue.device(), DType::f32, shape, "output"),
      loss(queue.device(), DType::f32, {1}, "loss");
  files.write("x", x);
  files.write("target", target);
  runtime::Workspace::Scope scope(queue.workspace());
  block.forward(
      x, [&](std::uint32_t l, const TensorView& in, const TensorView& to) { linears[l]->forward(in, to); },
      y);
  files.write("y", y);
  ops::squared_error(queue, y, target, 2.0f / static_cast<float>(shape.elements()), y, loss);
  files.write("squared_error", loss);
  const quant::StepInfo info{1, 1.0, loss};
  block.backward(y, [&](std::uint32_t l, const TensorView& in, const TensorView& dy, const TensorView& dx,
                        bool accumulate) {
    // As TrainedLinear::backward does it, but with dW = dY^T X in the open: backward_rows leaves the latent
    // weights' gradient in its place.
    if (dx.memory != nullptr)
      ops::matmul_nn(queue, runtime::Rounding::none, dy, linears[l]->effective(), dx, 1.0f,
                     accumulate ? 1.0f : 0.0f);
    const DeviceTensor gradient(queue.device(), DType::f32, weights[l].shape(), "gradient");
    ops::matmul_tn(queue, runtime::Rounding::none, dy, in, gradient);
    linears[l]->backward_rows(info, runtime::Rounding::none, 0, gradient);
    const std::string name(spec.linears[l].name);
    files.write(name + ".d_weight", gradient);
    files.write(name + ".d_logits", linears[l]->d_logits());
    files.write(name + ".dA", linears[l]->lora().dA());
    files.write(name + ".dB", linears[l]->lora().dB());
  });
  files.finish({{"block", kBlock},
                {"tokens", kTokens},
                {"bits", kSpec.bits},
                {"group_size", kSpec.group_size},
                {"scaling", kAlpha / kRank}});
}

}  // namespace
}  // namespace apiq

int main(int argc, char** argv) {
  return apiq::testing::dump_main(argc, argv, "dump_block_gradients", apiq::dump);
}
