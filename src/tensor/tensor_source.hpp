// Named tensors of a model, wherever they are stored (safetensors files, a checkpoint).
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apiq/dtype.hpp"
#include "tensor/shape.hpp"

namespace apiq {

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
};

/// Read-only. Bytes returned stay valid as long as the source lives; they may be unaligned.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual const std::vector<TensorInfo>& tensors() const = 0;  // in name order
  /// nullptr if there is none of that name.
  virtual const TensorInfo* find(std::string_view name) const = 0;
  /// Row-major little-endian elements. Throws FormatError if there is none of that name.
  virtual std::span<const std::byte> bytes(std::string_view name) const = 0;
};

/// F32, F16 or BF16 elements converted to f32. Throws FormatError for other types.
std::vector<float> to_f32(DType dtype, std::span<const std::byte> bytes, std::string_view name);

/// For weights about to be quantized: throws FormatError with the tensor's name and its first element that is NaN or infinite, or if it is
/// not F32, F16 or BF16.
void check_finite(const TensorInfo& info, std::span<const std::byte> bytes);

}  // namespace apiq
