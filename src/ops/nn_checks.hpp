// Checks of tensors that the launchers of nn.hpp share. Each throws ShapeError naming the operation and the tensor.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "apiq/error.hpp"
#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::operator+;  // of macro lists: their type is the standard library's, so the compiler does not look in runtime by itself
using runtime::value_of;

inline void expect_shape(std::string_view op, std::string_view tensor, const runtime::TensorView& view, const Shape& shape) {
  if (view.shape == shape) return;
  throw ShapeError("[" + std::string(op) + "] " + std::string(tensor) + ": expected shape " + shape.text() + ", got " + view.shape.text());
}

inline void expect_dtype(std::string_view op, std::string_view tensor, const runtime::TensorView& view, DType dtype) {
  if (view.dtype == dtype) return;
  throw ShapeError("[" + std::string(op) + "] " + std::string(tensor) + ": expected " + std::string(name_of(dtype)) + ", got " +
                   std::string(name_of(view.dtype)));
}

/// 1 for f16, 0 for f32: the value of a HALF macro.
inline int half_macro(std::string_view op, std::string_view tensor, const runtime::TensorView& view) {
  if (view.dtype == DType::f16) return 1;
  if (view.dtype == DType::f32) return 0;
  throw ShapeError("[" + std::string(op) + "] " + std::string(tensor) + ": expected f32 or f16, got " + std::string(name_of(view.dtype)));
}

inline void expect_rank(std::string_view op, std::string_view tensor, const runtime::TensorView& view, int rank) {
  if (view.shape.rank() == rank) return;
  throw ShapeError("[" + std::string(op) + "] " + std::string(tensor) + ": expected " + std::to_string(rank) + " dimensions, got shape " +
                   view.shape.text());
}

/// A count or an offset as the kernels take it.
inline std::uint32_t as_uint(std::string_view op, std::string_view what, std::uint64_t value) {
  if (value <= 0xffffffffu) return static_cast<std::uint32_t>(value);
  throw ShapeError("[" + std::string(op) + "] " + std::string(what) + " is " + std::to_string(value) +
                   "; kernels count to 2^32 - 1, split the tensor");
}

}  // namespace apiq::ops
