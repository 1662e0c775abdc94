#include "tensor/tensor_source.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "apiq/error.hpp"
#include "util/half.hpp"

namespace apiq {

namespace {

/// How many elements the bytes hold; refuses what visit_elements cannot read.
std::size_t element_count(DType dtype, std::span<const std::byte> bytes, std::string_view name) {
  if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16)
    throw FormatError("[model] tensor '" + std::string(name) + "': expected f32, f16 or bf16, found " +
                      std::string(name_of(dtype)));
  if (bytes.size() % size_of(dtype) != 0)
    throw FormatError("[model] tensor '" + std::string(name) + "': " + std::to_string(bytes.size()) +
                      " bytes are not whole " + std::string(name_of(dtype)) + " elements");
  return bytes.size() / size_of(dtype);
}

/// visit(i, value) for every element; memcpy because the bytes may be unaligned.
template <typename Visit>
void visit_elements(DType dtype, std::span<const std::byte> bytes, std::size_t count, Visit visit) {
  const auto visit_as = [&](auto stored, auto convert) {
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&stored, bytes.data() + i * sizeof stored, sizeof stored);
      visit(i, convert(stored));
    }
  };
  if (dtype == DType::f32) visit_as(0.0f, [](float value) { return value; });
  if (dtype == DType::f16) visit_as(std::uint16_t{0}, half_to_float);
  if (dtype == DType::bf16) visit_as(std::uint16_t{0}, bf16_to_float);
}

}  // namespace

std::vector<float> to_f32(DType dtype, std::span<const std::byte> bytes, std::string_view name) {
  std::vector<float> out(element_count(dtype, bytes, name));
  visit_elements(dtype, bytes, out.size(), [&](std::size_t i, float value) { out[i] = value; });
  return out;
}

void for_each_chunk(
    const TensorSource& source, std::string_view name, std::size_t chunk_bytes,
    const std::function<void(std::uint64_t offset, std::span<const std::byte> chunk)>& visit) {
  const TensorInfo* info = source.find(name);
  if (info == nullptr) throw FormatError("[model] tensor '" + std::string(name) + "' is not in the model");
  const std::size_t element = size_of(info->dtype);
  const std::uint64_t total = info->shape.elements() * element;
  std::vector<std::byte> buffer(
      std::min<std::uint64_t>(total, std::max(element, chunk_bytes / element * element)));
  for (std::uint64_t offset = 0; offset < total; offset += buffer.size()) {
    const std::span<std::byte> chunk(buffer.data(), std::min<std::uint64_t>(buffer.size(), total - offset));
    source.read(name, offset, chunk);
    visit(offset, chunk);
  }
}

void check_finite(const TensorInfo& info, std::span<const std::byte> bytes, std::uint64_t first) {
  visit_elements(
      info.dtype, bytes, element_count(info.dtype, bytes, info.name), [&](std::size_t i, float value) {
        if (!std::isfinite(value))
          throw FormatError("[model] tensor '" + info.name + "': element " + std::to_string(first + i) +
                            " is " + (std::isnan(value) ? "NaN" : "infinite") +
                            "; the model is damaged, or its values passed the range of its storage type when "
                            "it was converted");
      });
}

}  // namespace apiq
