// The LoRA pair that best repairs a weight's quantization error in the eyes of the layer's inputs, in closed
// form.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/queue.hpp"

namespace apiq::quant {

using runtime::Queue;
using runtime::TensorView;

struct LowRank {
  std::vector<float> A;  // [rank, in]
  std::vector<float> B;  // [out, rank]
};

/// The A and B for which ||(E - scaling B A) R||_F is least, H = R R^T: the error of the layer's outputs on
/// inputs with second moments H.
///   error    E f32 [out, in] = W - What
///   moments  H f32 [in, in], symmetric and positive definite (damped, ops/moments.hpp): CLoQ, arXiv
///   2501.18475;
///            or f32 [in]: its diagonal alone (SLiM's saliency); or memory nullptr: H = I, a plain truncated
///            SVD of E (LoftQ's)
///   rank     at most min(out, in);  scaling > 0
/// A and B have equal Frobenius norms. Pairs past E's own rank are 0 (E = 0: all are); nothing is ever NaN.
/// What is captured, ||scaling B A R||_F^2, is within 1e-3 of the most that is possible (low_rank.cpp says
/// how that was measured), and all of it to f32 rounding where out <= n = max(400, 12 (rank + 8)). Same
/// arguments and device, same bytes. Allocates about 2 n out + 2 (rank + 8) in f32 on the device, no out x
/// out matrix where out > n; waits for the device. Throws ShapeError, InvalidArgument (rank, scaling, values
/// that are not finite), DeviceError.
LowRank low_rank_correction(Queue& queue, const TensorView& error, const TensorView& moments,
                            std::uint32_t rank, float scaling, std::uint64_t seed);

/// What it allocates on the device, at most.
std::uint64_t low_rank_device_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                    std::uint32_t rank);

}  // namespace apiq::quant
