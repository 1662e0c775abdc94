// Named tensors of a model, wherever they are stored (safetensors files, a checkpoint).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
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

  /// out = bytes `offset` ... of the tensor, read from its file without making anything resident; any thread.
  /// Throws FormatError if there is none of that name or the range passes its end, IoError if the file cannot
  /// be read or was cut short since it was opened.
  virtual void read(std::string_view name, std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// Gives back the memory that touching bytes(name) took; the bytes stay valid and are read again when
  /// touched.
  virtual void release(std::string_view name) const = 0;
};

/// What streaming readers hold at a time.
inline constexpr std::size_t kStreamChunkBytes = std::size_t{4} << 20;

/// visit(offset, chunk) over a tensor's bytes in order, at most chunk_bytes at a time (rounded down to whole
/// elements, at least one) and never more than one chunk in memory. Throws as TensorSource::read.
void for_each_chunk(const TensorSource& source, std::string_view name, std::size_t chunk_bytes,
                    const std::function<void(std::uint64_t offset, std::span<const std::byte> chunk)>& visit);

/// F32, F16 or BF16 elements converted to f32. Throws FormatError for other types.
std::vector<float> to_f32(DType dtype, std::span<const std::byte> bytes, std::string_view name);

/// For weights about to be quantized: throws FormatError with the tensor's name and its first element that is
/// NaN or infinite, or if it is not F32, F16 or BF16. bytes: from element `first` on.
void check_finite(const TensorInfo& info, std::span<const std::byte> bytes, std::uint64_t first = 0);

}  // namespace apiq
