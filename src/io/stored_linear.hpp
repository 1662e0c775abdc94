// One quantized linear, and one text, as they lie in an HDF5 file: shared by checkpoints and part files
// (docs/checkpoint-format.md).
#pragma once
#include <span>
#include <string>

#include "io/checkpoint.hpp"
#include "io/hdf5.hpp"

namespace apiq::checkpoint_layout {

/// Throws InvalidArgument for a name that no link can have; kind ("linear") is for the text.
void check_name(const std::string& kind, const std::string& name);
/// Throws InvalidArgument if the group holds that name already.
void check_new(const hdf5::Node& group, const std::string& name);

/// Group `name` in `linears`: attributes, codes, scales, zero points, LoRA. Throws ShapeError,
/// InvalidArgument (added twice), IoError.
void write_linear(const hdf5::Node& linears, const std::string& name, const QuantizedLinear& linear);
/// The attributes, checked against the shape [out_features, in_features] of the weight in the model that the
/// file is for; every dataset's type, size and storage checked against them. Throws FormatError.
LinearEntry read_entry(const hdf5::Node& linears, const std::string& name, const Shape& weight,
                       std::span<const Codec* const> among = codecs());
QuantizedLinear read_linear(const hdf5::Node& linears, const LinearEntry& entry);

void write_text_dataset(const hdf5::Node& parent, const std::string& name, const std::string& text);
std::string read_text_dataset(const hdf5::Node& parent, const std::string& name);
/// As an attribute where it fits, since those show up at once in any viewer; HDF5 limits them to less than 64
/// KiB.
void write_text(const hdf5::Node& root, const char* name, const std::string& text);
std::string read_text(const hdf5::Node& root, const char* name);

}  // namespace apiq::checkpoint_layout
