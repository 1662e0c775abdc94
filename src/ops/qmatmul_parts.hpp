// The steps of qmatmul, each with its own launcher. Callers of the library use ops/qmatmul.hpp, which checks
// shapes once for all of them.
#pragma once
#include <string_view>

#include "ops/checks.hpp"
#include "ops/qmatmul.hpp"
#include "shared/types.h"

#include "shared/qmatmul_args.h"

namespace apiq::ops {

inline constexpr std::string_view kQmatmul =
    "qmatmul";  // starts the texts of every step: it is what callers called

/// out = x as f32 [ceil(num_tokens / block_tokens)][padded_features][block_tokens], zero past the last token
/// and the last feature: the order the tiled products read. padded_features is out's.  Kernel:
/// cl/matmul/token_blocks.cl.
void token_blocks(Queue& queue, const TensorView& x, std::uint64_t block_tokens, const TensorView& out);

/// The smallest block size (smallest * 2^n) that holds all tokens, or the largest this device likes.
std::uint64_t choose_block(std::uint64_t num_tokens, std::uint64_t smallest, std::uint64_t largest);

/// t = scaling * x A^T as f32 [ceil(num_tokens / block_tokens)][rank][block_tokens], zero for tokens past the
/// end; rank > 0.
///   x f32|f16 [num_tokens, in_features], lora.A with rows at least as long (B_t's are padded).  Kernel:
///   cl/matmul/lora_down.cl.
void lora_down(Queue& queue, const LoraView& lora, const TensorView& x, std::uint32_t block_tokens,
               const TensorView& t);

/// qmatmul for few tokens: reads the weight once per token.  Kernels: cl/matmul/gemv_input.cl, qgemv.cl.
void qgemv(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x,
           const TensorView& y);

/// qmatmul for many tokens: unpacks each weight once per block of tokens.  Kernels:
/// cl/matmul/token_blocks.cl, qgemm.cl.
void qgemm(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x,
           const TensorView& y);

/// Throws ShapeError unless the view is f32|f16 [num_tokens, columns]; `op` and `name` of the tensor are for
/// the text.
void check_activations(std::string_view op, std::string_view name, const TensorView& view,
                       std::uint64_t columns);

/// Throws ShapeError unless the factors have the shapes that the weight asks for.
void check_lora(std::string_view op, const PackedLayout& layout, const LoraView& lora);

/// The part of the arguments that qgemv and qgemm share; x, x_sums and lora_t are left for them.
QmatmulArgs qmatmul_args(const PackedWeightView& w, const LoraView& lora, const TensorView& x,
                         const TensorView& y);

/// What kernels that read this weight are compiled with.
inline runtime::Macros codec_macros(const PackedWeightView& w) {
  return w.layout.codec->macros(w.layout.format());
}

/// Throws ShapeError unless the views hold exactly what the layout says, InvalidArgument if the layout itself
/// is wrong; `op` starts the text.
void check_packed(const char* op, const PackedWeightView& w);

}  // namespace apiq::ops
