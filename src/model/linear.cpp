#include "model/linear.hpp"

#include <string>

#include "apiq/error.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"

namespace apiq::model {

DeviceTensor upload_f32(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes) {
  DeviceTensor tensor(queue.device(), DType::f32, info.shape, info.name);
  queue.write(tensor, to_f32(info.dtype, bytes, info.name).data());
  return tensor;
}

DeviceTensor upload_tensor(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes) {
  if (info.dtype != DType::f16) return upload_f32(queue, info, bytes);
  DeviceTensor tensor(queue.device(), DType::f16, info.shape, info.name);
  queue.write(tensor, bytes.data());
  return tensor;
}

DeviceTensor upload_tensor(Queue& queue, const TensorSource& source, std::string_view name) {
  const TensorInfo* info = source.find(name);
  if (info == nullptr) throw FormatError("[model] tensor '" + std::string(name) + "' is not in the model");
  const DType dtype = info->dtype == DType::f16 ? DType::f16 : DType::f32;
  DeviceTensor tensor(queue.device(), dtype, info->shape, name);
  for_each_chunk(source, name, kStreamChunkBytes,
                 [&](std::uint64_t offset, std::span<const std::byte> chunk) {
                   const std::uint64_t first = offset / size_of(info->dtype),
                                       count = chunk.size() / size_of(info->dtype);
                   const TensorView part{tensor.view().memory, first, dtype, {count}};
                   if (dtype == info->dtype) queue.write(part, chunk.data());
                   else queue.write(part, to_f32(info->dtype, chunk, name).data());
                 });
  return tensor;
}

Linear Linear::dense(Queue& queue, const TensorSource& source, std::string_view name) {
  Linear out;
  out.dense_ = upload_tensor(queue, source, name);
  out.out_features_ = static_cast<std::uint32_t>(out.dense_.shape()[0]);
  out.in_features_ = static_cast<std::uint32_t>(out.dense_.shape()[1]);
  return out;
}

Linear Linear::dense(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes) {
  Linear out;
  out.out_features_ = static_cast<std::uint32_t>(info.shape[0]);
  out.in_features_ = static_cast<std::uint32_t>(info.shape[1]);
  out.dense_ = upload_tensor(queue, info, bytes);
  return out;
}

Linear Linear::packed(Queue& queue, const QuantizedLinear& stored, bool use_lora) {
  const PackedLayout& layout = stored.weight.layout;
  Linear out;
  out.packed_ = ops::PackedBuffers(queue, stored.weight);
  out.out_features_ = layout.out_features;
  out.in_features_ = layout.in_features;
  if (!use_lora || stored.rank == 0) return out;
  out.rank_ = stored.rank;
  out.scaling_ = stored.scaling();
  out.lora_A_ = DeviceTensor(queue.device(), DType::f16, {stored.rank, layout.in_features}, "lora_A");
  queue.write(out.lora_A_, stored.lora_A.data());
  out.lora_B_t_ =
      DeviceTensor(queue.device(), DType::f16, {stored.rank, layout.row_blocks() * kRowBlock}, "lora_B");
  runtime::Workspace::Scope scope(queue.workspace());
  const TensorView plain_B = queue.workspace().allocate(DType::f16, {layout.out_features, stored.rank});
  queue.write(plain_B, stored.lora_B.data());
  ops::pack_lora_B(queue, plain_B, layout, out.lora_B_t_);
  return out;
}

void Linear::set_bias(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes) {
  if (info.shape != Shape{out_features_})
    throw ShapeError("[linear] " + info.name + ": expected " + Shape{out_features_}.text() + ", got " +
                     info.shape.text());
  bias_ = upload_f32(queue, info, bytes);
}

void Linear::add_adapter(Adapter adapter) {
  const AdapterForm& form = adapter.form();
  if (form.out_features != out_features_ || form.in_features != in_features_)
    throw ShapeError("[linear] adapter " + form.name + ": expected it for " +
                     Shape{out_features_, in_features_}.text() + ", got " +
                     Shape{form.out_features, form.in_features}.text());
  adapters_.push_back(std::move(adapter));
}

void Linear::forward(Queue& queue, Rounding rounding, const TensorView& x, const TensorView& y) const {
  if (is_packed()) ops::qmatmul(queue, rounding, packed_weight(), lora(), x, y);
  else ops::matmul_nt(queue, rounding, x, dense_, y);
  for (const Adapter& adapter : adapters_) adapter.forward(queue, rounding, x, y);
  add_bias(queue, y);
}

void Linear::add_bias(Queue& queue, const TensorView& y) const {
  if (has_bias()) ops::add_bias(queue, bias_, y);
}

void Linear::backward_dx(Queue& queue, Rounding rounding, const TensorView& dy, const TensorView& dx,
                         bool accumulate) const {
  if (!is_packed()) {
    ops::matmul_nn(queue, rounding, dy, dense_, dx, 1.0f, accumulate ? 1.0f : 0.0f);
  } else if (!accumulate) {
    ops::qmatmul_bwd(queue, rounding, packed_weight(), lora(), dy, dx);
  } else {
    runtime::Workspace::Scope scope(queue.workspace());
    const TensorView own = queue.workspace().allocate(dx.dtype, dx.shape);
    ops::qmatmul_bwd(queue, rounding, packed_weight(), lora(), dy, own);
    ops::add(queue, dx, own, dx);
  }
  for (const Adapter& adapter : adapters_) adapter.backward_dx(queue, rounding, dy, dx);
}

void Linear::adapter_grads(Queue& queue, Rounding rounding, const TensorView& x, const TensorView& dy,
                           bool accumulate) const {
  for (const Adapter& adapter : adapters_) adapter.backward_values(queue, rounding, x, dy, accumulate);
}

ops::LoraView Linear::lora() const {
  ops::LoraView lora{rank_, scaling_, {}, {}};
  if (rank_ != 0) {
    lora.A = lora_A_;
    lora.B_t = lora_B_t_;
  }
  return lora;
}

void Linear::effective_weight(Queue& queue, const TensorView& out) const {
  if (is_packed()) ops::dequantize(queue, packed_weight(), out);
  else ops::to_f32(queue, dense_, out);
  if (rank_ != 0)
    ops::matmul_tn(queue, Rounding::none, ops::Columns{lora_B_t_, 0, out_features_}, lora_A_, out, scaling_,
                   1.0f);
  for (const Adapter& adapter : adapters_) adapter.add_to(queue, out);
}

std::uint64_t Linear::weight_bytes() const {
  std::uint64_t bytes = is_packed() ? packed_.layout().bytes() : dense_.view().bytes();
  if (rank_ != 0) bytes += lora_A_.view().bytes() + lora_B_t_.view().bytes();
  if (has_bias()) bytes += bias_.view().bytes();
  for (const Adapter& adapter : adapters_) bytes += adapter.values().bytes();
  return bytes;
}

}  // namespace apiq::model
