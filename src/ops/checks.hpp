// What launchers check before they enqueue. One rule for all: a wrong type or shape is a ShapeError, a size
// or position that does not fit the 32 bits in which it travels to the kernel is Unsupported. Every text
// names the operation and the tensor.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "apiq/error.hpp"
#include "runtime/buffer.hpp"

namespace apiq::ops {

/// Throws ShapeError "[op] name: expected ..., got f16 [2, 3]".
[[noreturn]] inline void refuse(std::string_view op, std::string_view name, const std::string& expected,
                                const runtime::TensorView& found) {
  throw ShapeError("[" + std::string(op) + "] " + std::string(name) + ": expected " + expected + ", got " +
                   std::string(name_of(found.dtype)) + " " + found.shape.text());
}

/// The view has this type and shape.
inline void check_tensor(std::string_view op, std::string_view name, const runtime::TensorView& view,
                         DType dtype, const Shape& shape) {
  if (view.dtype != dtype || view.shape != shape)
    refuse(op, name, std::string(name_of(dtype)) + " " + shape.text(), view);
}

/// The view has this type and number of elements, in whatever shape.
inline void check_elements(std::string_view op, std::string_view name, const runtime::TensorView& view,
                           DType dtype, std::uint64_t elements) {
  if (view.dtype == dtype && view.elements() == elements) return;
  refuse(op, name, std::string(name_of(dtype)) + " with " + std::to_string(elements) + " elements", view);
}

inline void check_rank(std::string_view op, std::string_view name, const runtime::TensorView& view,
                       int rank) {
  if (view.shape.rank() != rank) refuse(op, name, std::to_string(rank) + " dimensions", view);
}

/// The value of a kernel's HALF macro, for a view known to be f32 or f16.
inline bool is_half(const runtime::TensorView& view) { return view.dtype == DType::f16; }

/// is_half of a view that must be f32 or f16.
inline bool check_half(std::string_view op, std::string_view name, const runtime::TensorView& view) {
  if (view.dtype != DType::f32 && view.dtype != DType::f16) refuse(op, name, "f32 or f16", view);
  return is_half(view);
}

/// A count as the kernels take it. Throws Unsupported from 2^32 on.
inline std::uint32_t count32(std::string_view op, std::string_view what, std::uint64_t value) {
  if (value <= std::numeric_limits<std::uint32_t>::max()) return static_cast<std::uint32_t>(value);
  throw Unsupported("[" + std::string(op) + "] " + std::string(what) + " is " + std::to_string(value) +
                    "; kernels count to 2^32 - 1: split the tensor");
}

/// The view's offset for an argument struct. Throws Unsupported unless its end fits as well: kernels add
/// indices to the offset.
inline std::uint32_t offset32(std::string_view op, std::string_view name, const runtime::TensorView& view) {
  constexpr std::uint64_t limit = std::numeric_limits<std::uint32_t>::max();
  const std::uint64_t elements = view.elements();
  if (elements <= limit && view.offset <= limit - elements) return static_cast<std::uint32_t>(view.offset);
  throw Unsupported("[" + std::string(op) + "] " + std::string(name) + ": " + view.shape.text() +
                    " at element " + std::to_string(view.offset) +
                    " ends past the 2^32 - 1 elements of a buffer that kernels reach; split it or give it a "
                    "buffer of its own");
}

}  // namespace apiq::ops
