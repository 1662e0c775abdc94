// What writer and reader of a checkpoint must agree on: names, versions, dataset sizes
// (docs/checkpoint-format.md).
#pragma once
#include <cstdint>

#include "apiq/dtype.hpp"
#include "io/hdf5.hpp"
#include "tensor/shape.hpp"

namespace apiq::checkpoint_layout {

inline constexpr const char* kFormat = "apiq-checkpoint";
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kMaxTextAttribute = 32768;  // longer texts are datasets of the same name
inline constexpr std::size_t kMaxNameBytes = 500;

/// HDF5 and numpy lack bf16: u16 with the attribute dtype="bf16".
inline hdf5::Element element_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return hdf5::Element::f32;
    case DType::f16: return hdf5::Element::f16;
    case DType::u32: return hdf5::Element::u32;
    case DType::u8: return hdf5::Element::u8;
    default: return hdf5::Element::u16;
  }
}

inline hdf5::Dims dims_of(const Shape& shape) {
  hdf5::Dims dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

}  // namespace apiq::checkpoint_layout
