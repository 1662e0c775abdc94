#include "model/decode_weights.hpp"

#include <algorithm>

#include "ops/checks.hpp"

namespace apiq::model {

namespace {

/// One of the three buffers: first the places are given out, then, once its size is known, it is filled.
class Arena {
 public:
  explicit Arena(DType dtype) : dtype_(dtype) {}

  /// Where a tensor will lie.
  std::uint32_t place(const TensorView& tensor) {
    const std::uint64_t at = used_;
    used_ = runtime::round_up(at + tensor.elements(), 64);
    tensors_.emplace_back(tensor, at);
    return ops::count32("decode", "weights of one type", used_) - static_cast<std::uint32_t>(used_ - at);
  }

  DeviceTensor fill(Queue& queue) const {
    if (used_ == 0) return {};
    DeviceTensor out(queue.device(), dtype_, {used_}, "weights for decoding");
    for (const auto& [tensor, at] : tensors_)
      queue.copy(tensor, {out.view().memory, at, dtype_, tensor.shape});
    return out;
  }

 private:
  DType dtype_;
  std::uint64_t used_ = 0;
  std::vector<std::pair<TensorView, std::uint64_t>> tensors_;
};

struct Arenas {
  Arena words{DType::u32}, halves{DType::f16}, floats{DType::f32};

  DecodeLinear place(const Linear& linear) {
    DecodeLinear out{};
    if (!linear.is_packed()) {
      const TensorView& weight = linear.dense_weight();
      out.weight = (weight.dtype == DType::f16 ? halves : floats).place(weight);
      return out;
    }
    const ops::PackedWeightView packed = linear.packed_weight();
    const ops::LoraView lora = linear.lora();
    out.weight = words.place(packed.qweight);
    out.scales = halves.place(packed.scales);
    out.qzeros = words.place(packed.qzeros);
    if (lora.rank == 0) return out;
    out.lora_A = halves.place(lora.A);
    out.lora_B_t = halves.place(lora.B_t);
    out.rank = lora.rank;
    out.scaling = lora.scaling;
    return out;
  }
};

}  // namespace

std::optional<DecodeFormat> decode_format(const Block& block) {
  std::optional<DecodeFormat> format;
  for (const Linear& linear : block.linears) {
    if (linear.has_bias() || !linear.adapters().empty()) return std::nullopt;
    DecodeFormat own;
    if (linear.is_packed())
      own = {linear.packed_weight().layout.bits, linear.packed_weight().layout.group_size};
    else own = {linear.dense_weight().dtype == DType::f16 ? 16u : 32u, 0};
    if (format && *format != own) return std::nullopt;
    format = own;
  }
  return format;
}

std::uint64_t decode_bytes(const Block& block) {
  std::uint64_t bytes = block.weight_bytes();
  for (const DeviceTensor& norm : block.norms) bytes += norm.view().bytes();
  return bytes;
}

DecodeWeights::DecodeWeights(Queue& queue, std::span<const Block> blocks) {
  Arenas arenas;
  for (const Block& block : blocks) {
    DecodeBlock row{};
    row.input_norm = arenas.floats.place(block.norms[0]);
    row.post_attention_norm = arenas.floats.place(block.norms[1]);
    for (std::size_t l = 0; l < block.linears.size(); ++l) {
      row.linears[l] = arenas.place(block.linears[l]);
      rank = std::max(rank, row.linears[l].rank);
    }
    table.push_back(row);
  }
  words = arenas.words.fill(queue);
  halves = arenas.halves.fill(queue);
  floats = arenas.floats.fill(queue);
}

}  // namespace apiq::model
