// The steps of qmatmul, each with its own launcher. Callers of the library use ops/qmatmul.hpp, which checks shapes once for all of them.
#pragma once
#include <string_view>

#include "ops/checks.hpp"
#include "ops/qmatmul.hpp"
#include "shared/types.h"

#include "shared/qmatmul_args.h"

namespace apiq::ops {

inline constexpr std::string_view kQmatmul = "qmatmul";  // starts the texts of every step: it is what callers called

/// t = scaling * x A^T as f32 [ceil(num_tokens / block_tokens)][rank][block_tokens], zero for tokens past the end; rank > 0.
///   x f32|f16 [num_tokens, in_features].  Kernel: cl/matmul/lora_down.cl.
void lora_down(Queue& queue, const LoraView& lora, const TensorView& x, std::uint32_t block_tokens, const TensorView& t);

/// qmatmul for few tokens: reads the weight once per token.  Kernels: cl/matmul/gemv_input.cl, qgemv.cl.
void qgemv(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x, const TensorView& y);

/// qmatmul for many tokens: unpacks each weight once per block of tokens.  Kernels: cl/matmul/token_blocks.cl, qgemm.cl.
void qgemm(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x, const TensorView& y);

/// The part of the arguments that qgemv and qgemm share; x, x_sums and lora_t are left for them.
QmatmulArgs qmatmul_args(const PackedWeightView& w, const LoraView& lora, const TensorView& x, const TensorView& y);

/// Throws ShapeError unless the views hold exactly what the layout says, InvalidArgument if the layout itself is wrong; `op` starts the text.
void check_packed(const char* op, const PackedWeightView& w);

}  // namespace apiq::ops
