// Writes what a model of any family computes, for families_test.py:
//   dump_family MODEL_FOLDER OUTPUT_FOLDER
// Logits of fixed ids; and of the first block at random inputs its output, the gradient of each linear's
// weight, and that of the block's input.
#include <cstdio>

#include "cases/public_device.hpp"
#include "family/tensor_names.hpp"
#include "io/model_directory.hpp"
#include "model/decoder_block.hpp"
#include "model/model_impl.hpp"
#include "ops/gemm.hpp"
#include "oracle/dump.hpp"

namespace apiq {
namespace {

using runtime::DeviceTensor;
using runtime::Rounding;
using runtime::TensorView;
using testing::Dump;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;

constexpr std::uint64_t kTokens = 24, kSequences = 2, kRows = kTokens * kSequences;

void dump_logits(const std::filesystem::path& folder, Dump& files) {
  const auto model = ModelImpl::load(testing::public_device(), folder, true);
  std::vector<std::int32_t> ids;
  for (std::uint64_t i = 0; i < kTokens; ++i)
    ids.push_back(static_cast<std::int32_t>(i * 7 % model->config().vocab_size));
  auto& device = model->queue().device();
  const DeviceTensor hidden(device, DType::f32, {kTokens, model->config().hidden_size}, "hidden"),
      logits(device, DType::f32, {kTokens, model->config().vocab_size}, "logits");
  model->forward(ids, nullptr, 0, hidden);
  model->logits(hidden, logits);
  const DeviceTensor here = upload(runtime::read_floats(model->queue(), logits), logits.shape());
  files.write("logits", here);
}

void dump_gradients(const ModelDirectory& model, Dump& files) {
  auto& queue = shared_queue();
  const ModelConfig& config = model.config();
  const auto tensor = [&](const std::string& name) {
    return model::upload_f32(queue, *model.tensors().find(name), model.tensors().bytes(name));
  };
  std::vector<DeviceTensor> norms, weights, biases;
  for (const NormSpec& norm : config.block.norms) norms.push_back(tensor(weight_tensor(0, norm.name)));
  for (const LinearSpec& linear : config.block.linears) {
    weights.push_back(tensor(weight_tensor(0, linear.name)));
    biases.push_back(linear.bias ? tensor(bias_tensor(0, linear.name)) : DeviceTensor());
  }
  const model::RopeTables rope(queue, config, kTokens);
  model::DecoderBlock block(queue, config.block, rope, kTokens, true);
  block.set_vectors(norms, biases);

  const Shape shape{kRows, config.hidden_size};
  const DeviceTensor x = upload(random_floats(shape.elements(), 1), shape),
                     dy = upload(random_floats(shape.elements(), 2), shape),
                     y(queue.device(), DType::f32, shape, "output");
  files.write("x", x);
  files.write("dy", dy);
  const runtime::Workspace::Scope scope(queue.workspace());
  block.forward(
      x,
      [&](std::uint32_t l, const TensorView& in, const TensorView& out) {
        ops::matmul_nt(queue, Rounding::none, in, weights[l], out);
      },
      y);
  files.write("y", y);
  const TensorView dx = block.backward(dy, [&](std::uint32_t l, const TensorView& in, const TensorView& d_out,
                                               const TensorView& d_in, bool accumulate) {
    ops::matmul_nn(queue, Rounding::none, d_out, weights[l], d_in, 1.0f, accumulate ? 1.0f : 0.0f);
    const DeviceTensor gradient(queue.device(), DType::f32, weights[l].shape(), "gradient");
    ops::matmul_tn(queue, Rounding::none, d_out, in, gradient);
    files.write(std::string(config.block.linears[l].name), gradient);
  });
  files.write("dx", dx);
}

void dump(const std::filesystem::path& folder, const std::filesystem::path& out) {
  Dump files(out);
  dump_logits(folder, files);
  dump_gradients(ModelDirectory::open(folder), files);
  files.finish({{"tokens", kTokens}});
}

}  // namespace
}  // namespace apiq

int main(int argc, char** argv) { return apiq::testing::dump_main(argc, argv, "dump_family", apiq::dump); }
