// Element types of tensors on disk, on the host and on the device.
#pragma once
#include <cstddef>
#include <string_view>

namespace apiq {

enum class DType { f32, f16, bf16, f64, i32, i64, u32, u8 };

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32:
    case DType::u32: return 4;
    case DType::f16:
    case DType::bf16: return 2;
    case DType::u8: return 1;
  }
  return 0;
}

/// Lower-case name, as in this enumeration ("f16").
constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::f64: return "f64";
    case DType::i32: return "i32";
    case DType::i64: return "i64";
    case DType::u32: return "u32";
    case DType::u8: return "u8";
  }
  return "?";
}

}  // namespace apiq
