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

namespace {

template <class T>
DeviceTensor upload_vector(Queue& queue, DType dtype, const std::vector<T>& values, std::string_view what) {
  DeviceTensor tensor(queue.device(), dtype, {values.size()}, what);
  queue.write(tensor, values.data());
  return tensor;
}

/// lora_B [out, rank] -> [rank, row_blocks * 32], padded with zeros: the order in which the packed kernel
/// reads it.
std::vector<std::uint16_t> transposed_and_padded(const QuantizedLinear& stored) {
  const std::size_t rows = stored.weight.layout.out_features;
  const std::size_t padded = stored.weight.layout.row_blocks() * kRowBlock;
  std::vector<std::uint16_t> out(padded * stored.rank, 0);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t r = 0; r < stored.rank; ++r)
      out[r * padded + row] = stored.lora_B[row * stored.rank + r];
  return out;
}

}  // namespace

Linear Linear::packed(Queue& queue, const QuantizedLinear& stored, bool use_lora) {
  Linear out;
  out.layout_ = stored.weight.layout;
  out.out_features_ = out.layout_.out_features;
  out.in_features_ = out.layout_.in_features;
  out.qweight_ = upload_vector(queue, DType::u32, stored.weight.qweight, "packed codes");
  out.scales_ = upload_vector(queue, DType::f16, stored.weight.scales, "scales");
  out.qzeros_ = upload_vector(queue, DType::u32, stored.weight.qzeros, "zero points");
  if (use_lora && stored.rank != 0) {
    out.rank_ = stored.rank;
    out.scaling_ = stored.scaling();
    out.lora_A_ = DeviceTensor(queue.device(), DType::f16, {stored.rank, out.in_features_}, "lora_A");
    queue.write(out.lora_A_, stored.lora_A.data());
    out.lora_B_t_ = DeviceTensor(queue.device(), DType::f16,
                                 {stored.rank, out.layout_.row_blocks() * kRowBlock}, "lora_B");
    queue.write(out.lora_B_t_, transposed_and_padded(stored).data());
  }
  return out;
}

void Linear::forward(Queue& queue, runtime::Rounding rounding, const TensorView& x,
                     const TensorView& y) const {
  if (is_packed()) ops::qmatmul(queue, rounding, packed_weight(), lora(), x, y);
  else ops::matmul_nt(queue, rounding, x, dense_, y);
  add_bias(queue, y);
}

void Linear::set_bias(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes) {
  if (info.shape != Shape{out_features_})
    throw ShapeError("[linear] " + info.name + ": expected " + Shape{out_features_}.text() + ", got " +
                     info.shape.text());
  bias_ = upload_f32(queue, info, bytes);
}

void Linear::add_bias(Queue& queue, const TensorView& y) const {
  if (has_bias()) ops::add_bias(queue, bias_, y);
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
  ops::dequantize(queue, {layout_, qweight_, scales_, qzeros_}, out);
  if (rank_ != 0)
    ops::matmul_tn(queue, runtime::Rounding::none, ops::Columns{lora_B_t_, 0, out_features_}, lora_A_, out,
                   scaling_, 1.0f);
}

std::uint64_t Linear::weight_bytes() const {
  const std::uint64_t bias = has_bias() ? bias_.view().bytes() : 0;
  if (!is_packed()) return dense_.view().bytes() + bias;
  return layout_.bytes() + bias + (rank_ != 0 ? lora_A_.view().bytes() + lora_B_t_.view().bytes() : 0);
}

}  // namespace apiq::model
