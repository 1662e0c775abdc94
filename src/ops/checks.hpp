// What launchers check before they enqueue: types, shapes, and that element offsets fit the 32 bits they travel in.
#pragma once
#include <string>
#include <string_view>

#include "apiq/error.hpp"
#include "runtime/buffer.hpp"

namespace apiq::ops {

/// Throws ShapeError "[op] name: expected f32 [2, 3], got f16 [2, 3]" unless the view has this type and shape.
inline void check_tensor(std::string_view op, std::string_view name, const runtime::TensorView& view, DType dtype, const Shape& shape) {
  if (view.dtype == dtype && view.shape == shape) return;
  throw ShapeError("[" + std::string(op) + "] " + std::string(name) + ": expected " + std::string(name_of(dtype)) + " " + shape.text() + ", got " +
                   std::string(name_of(view.dtype)) + " " + view.shape.text());
}

/// The view's offset for an argument struct. Throws Unsupported if the view ends past 2^32 elements of its buffer.
inline std::uint32_t element_offset(std::string_view op, const runtime::TensorView& view) {
  if (view.offset + view.elements() > (std::uint64_t{1} << 32))
    throw Unsupported("[" + std::string(op) + "] a tensor " + view.shape.text() + " at element " + std::to_string(view.offset) +
                      " of its buffer ends past 2^32 elements; split it");
  return static_cast<std::uint32_t>(view.offset);
}

}  // namespace apiq::ops
