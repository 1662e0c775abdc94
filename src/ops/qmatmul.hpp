// Products with a packed weight (codec/format.hpp), fused with the LoRA branch: what evaluation and
// generation run on.
#pragma once
#include "codec/codecs.hpp"
#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::Queue;
using runtime::Rounding;
using runtime::TensorView;

/// A packed matrix on the device: the planes of its codec (Codec::planes) in the order in which kernels take
/// them, named as those of the affine codec.
struct PackedWeightView {
  PackedLayout layout;
  TensorView qweight, scales, qzeros;
};

/// LoRA of one linear on the device. rank 0: no LoRA, views unused.
struct LoraView {
  std::uint32_t rank = 0;
  float scaling = 0;  // alpha / rank
  TensorView A;       // f16 [rank, in_features]
  TensorView B_t;     // f16 [rank, row_blocks * 32]: lora_B transposed and padded with zeros, so that output
                      // rows are contiguous
};

/// y = x dequant(w)^T + scaling * (x A^T) B^T, w unpacked in registers.
///   x f32|f16 [num_tokens, in_features], y f32|f16 [num_tokens, out_features]; must not alias.
///   rounding: what x and w may be rounded to on the way into the product
/// One row: mat-vec (qgemv); more: tiled (qgemm), where a token's result does not depend on the other tokens
/// or on how many there are. The two differ in the last bits: the mat-vec applies scale and zero point per
/// group. Enqueued; fp32 accumulation in a fixed order. Throws ShapeError, Unsupported (past 2^32 elements),
/// DeviceError.
void qmatmul(Queue& queue, Rounding rounding, const PackedWeightView& w, const LoraView& lora,
             const TensorView& x, const TensorView& y);

/// dx = dy dequant(w) + scaling * (dy B) A: the gradient of qmatmul with respect to x, from the same packed
/// weight.
///   dy f32|f16 [num_tokens, out_features], dx f32|f16 [num_tokens, in_features]; must not alias.
/// A token's result does not depend on the other tokens or on how many there are. Enqueued; fp32 accumulation
/// over ascending rows. Throws as qmatmul.  Kernel: cl/matmul/qgemm_bwd.cl.
void qmatmul_bwd(Queue& queue, Rounding rounding, const PackedWeightView& w, const LoraView& lora,
                 const TensorView& dy, const TensorView& dx);

/// Workspace bytes that qmatmul of several rows may take, at most; qmatmul_bwd: with out_features in the
/// place of in_features.
std::uint64_t qmatmul_scratch_bytes(std::uint64_t num_tokens, std::uint64_t in_features, std::uint64_t rank);

/// out = dequant(w), f32 or f16 [out_features, in_features]. For checks and export; nothing on the way of the
/// data uses it.
void dequantize(Queue& queue, const PackedWeightView& w, const TensorView& out);

/// Packs codes u8 [out, in], scales f16 [out, groups], zeros u8 [out, groups] (row-major, on the device) into
/// w.
void pack(Queue& queue, const TensorView& codes, const TensorView& scales, const TensorView& zeros,
          const PackedWeightView& w);

/// lora_B f16 [out_features, rank] as it is stored -> B_t of a LoraView of this weight.
void pack_lora_B(Queue& queue, const TensorView& lora_B, const PackedLayout& layout, const TensorView& B_t);

/// Inverse of pack for the codes: u8 [out, in].
void unpack_codes(Queue& queue, const PackedWeightView& w, const TensorView& codes);

}  // namespace apiq::ops
