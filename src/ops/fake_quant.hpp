// Uniform group quantization with learnable clipping, ApiQ (arXiv 2402.05147) sections 1.3-1.5 of our
// specification.
//
//   hi = sigmoid(upbound) * max(xmax, 0), lo = sigmoid(lowbound) * min(xmin, 0)      (clip = false: sigmoid
//   replaced by 1) asymmetric  s = (hi - lo) / (2^bits - 1),             z = rint(-lo / s) symmetric   s =
//   max(|hi|, |lo|) / (2^(bits-1) - 1),   z = 2^(bits-1) - 1 code = clamp(rint(w / s) + z, 0, 2^bits - 1),
//   what = s * (code - z)
//
// s is clamped to the normal range of binary16 and rounded to binary16 once, when the stored form is made
// (quantize_codes); z and the codes are those of training. Rounding s earlier was measured and is worse: in
// training, its steps of up to 2^-10 are larger than the optimizer's and disturb it (figures in
// docs/methods.md); before the codes, every weight that lies midway between two levels goes to the same side
// in a whole group (rtn, stories3m, 3 bits: 17.2 becomes 17.9). The range always contains 0, so z fits in
// `bits`. rint rounds half to even. On one device all functions here agree to the bit; the host's codes can
// differ from a GPU's at a tie, because OpenCL lets GPUs divide with 2.5 ulp. Everything is enqueued and
// returns at once; InvalidArgument (bits), ShapeError, DeviceError.   Kernels: cl/quant/fake_quant.cl.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::Queue;
using runtime::TensorView;

struct QuantSpec {
  std::uint32_t bits = 2;         // those of the affine codec
  std::uint32_t group_size = 64;  // divides in_features
  bool symmetric = false;
  bool clip = true;  // false: plain min-max (RTN)
};

/// Range of each group: xmin, xmax f32 [out, groups] of w f32 [out, in], extended to contain 0. Once per
/// weight.
void group_range(Queue& queue, const TensorView& w, std::uint32_t group_size, const TensorView& xmin,
                 const TensorView& xmax);

/// Logits that start learnable clipping where the error is least: per group the factor f in {1.00, 0.95, ...,
/// 0.40} whose grid, from hi = f * xmax and lo = f * xmin, has the smallest sum of (what - w)^2, the larger f
/// where sums are equal.
///   upbound, lowbound f32 [out, groups] both receive ln(f / (1 - f)), f at most 0.99; spec.clip does not
///   matter.
/// Source: our specification of recipes, 2.1.
void mse_range(Queue& queue, const QuantSpec& spec, const TensorView& w, const TensorView& xmin,
               const TensorView& xmax, const TensorView& upbound, const TensorView& lowbound);

/// Grid from range and logits: scale f32 (not yet rounded) and zero f32 (integers), both [out, groups].
/// upbound, lowbound f32 [out, groups]: logits (ignored unless spec.clip).
void quant_grid(Queue& queue, const QuantSpec& spec, const TensorView& xmin, const TensorView& xmax,
                const TensorView& upbound, const TensorView& lowbound, const TensorView& scale,
                const TensorView& zero);

/// what f32 [out, in] = fake-quantized w on that grid.
void fake_quant_fwd(Queue& queue, const QuantSpec& spec, const TensorView& w, const TensorView& scale,
                    const TensorView& zero, const TensorView& what);

/// Straight-through backward (rounding of z and of s to binary16 carry no gradient of their own): d_upbound,
/// d_lowbound f32 [out, groups] (zeros unless spec.clip) from d_what f32 [out, in]; section 1.5. xmin and
/// xmax are those the grid came from, which need not be w's: weights that are trained themselves keep the
/// range of the original ones.
///   d_w f32 [out, in], unless its memory is nullptr: d_what where the code is not clamped, else 0 (scale and
///   zero held fixed). May alias d_what.
/// upbound and lowbound are ignored unless spec.clip.
void fake_quant_bwd(Queue& queue, const QuantSpec& spec, const TensorView& w, const TensorView& scale,
                    const TensorView& zero, const TensorView& xmin, const TensorView& xmax,
                    const TensorView& upbound, const TensorView& lowbound, const TensorView& d_what,
                    const TensorView& d_upbound, const TensorView& d_lowbound, const TensorView& d_w = {});

/// The stored form: codes u8 [out, in], scales f16 [out, groups], zeros u8 [out, groups] on that grid: the
/// codes fake_quant_fwd used, the scales rounded to nearest even.
void quantize_codes(Queue& queue, const QuantSpec& spec, const TensorView& w, const TensorView& scale,
                    const TensorView& zero, const TensorView& codes, const TensorView& scales,
                    const TensorView& zeros);

}  // namespace apiq::ops
