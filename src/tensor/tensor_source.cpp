#include "tensor/tensor_source.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "apiq/error.hpp"
#include "util/half.hpp"

namespace apiq {

namespace {

/// Elements of 16 bits, copied out one by one: the bytes may be unaligned.
template <float (*Convert)(std::uint16_t)>
void convert_16bit(std::span<const std::byte> bytes, std::vector<float>& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, bytes.data() + 2 * i, 2);
    out[i] = Convert(bits);
  }
}

}  // namespace

std::vector<float> to_f32(DType dtype, std::span<const std::byte> bytes, std::string_view name) {
  if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16)
    throw FormatError("[to_f32] tensor '" + std::string(name) + "': expected f32, f16 or bf16, found " + std::string(name_of(dtype)));
  if (bytes.size() % size_of(dtype) != 0)
    throw FormatError("[to_f32] tensor '" + std::string(name) + "': " + std::to_string(bytes.size()) + " bytes are not whole " +
                      std::string(name_of(dtype)) + " elements");
  std::vector<float> out(bytes.size() / size_of(dtype));
  if (out.empty()) return out;  // memcpy wants a valid pointer even for nothing
  if (dtype == DType::f32) std::memcpy(out.data(), bytes.data(), bytes.size());
  if (dtype == DType::f16) convert_16bit<half_to_float>(bytes, out);
  if (dtype == DType::bf16) convert_16bit<bf16_to_float>(bytes, out);
  return out;
}

void check_finite(std::span<const float> values, std::string_view name) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      throw FormatError("tensor '" + std::string(name) + "': element " + std::to_string(i) + " is " + (std::isnan(values[i]) ? "NaN" : "infinite") +
                        "; the model is damaged, or its values passed the range of its storage type when it was converted");
}

}  // namespace apiq
