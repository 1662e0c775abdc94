// fp64 reference of the product with a packed weight and LoRA (ops/qmatmul.hpp), from row-major codes and
// grids: it never sees the layout.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace apiq::ops::reference {

struct QmatmulProblem {
  std::size_t num_tokens = 0, out_features = 0, in_features = 0, group_size = 0, rank = 0;
  double scaling = 0;
  std::span<const float> x;             // [num_tokens, in_features]
  std::span<const std::uint8_t> codes;  // [out_features, in_features]
  std::span<const float> scales;        // [out_features, in_features / group_size]
  std::span<const std::uint8_t> zeros;  // likewise
  std::span<const float> lora_A;        // [rank, in_features]
  std::span<const float> lora_B;        // [out_features, rank]
};

/// scale * (code - zero), [out_features, in_features].
std::vector<double> dequantize(const QmatmulProblem& p);

/// x dequantize(w)^T + scaling * (x A^T) B^T, [num_tokens, out_features].
std::vector<double> qmatmul(const QmatmulProblem& p);

/// The same sum with every product replaced by its magnitude, codes and zero points taken apart: what
/// rounding errors scale with.
std::vector<double> qmatmul_magnitude(const QmatmulProblem& p);

/// dy dequantize(w) + scaling * (dy B) A, [num_tokens, in_features], for dy [num_tokens, out_features]; p.x
/// is not used.
std::vector<double> qmatmul_bwd(const QmatmulProblem& p, std::span<const float> dy);

/// The same with magnitudes, as qmatmul_magnitude.
std::vector<double> qmatmul_bwd_magnitude(const QmatmulProblem& p, std::span<const float> dy);

}  // namespace apiq::ops::reference
