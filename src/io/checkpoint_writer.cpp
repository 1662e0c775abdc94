// Writing a checkpoint: docs/checkpoint-format.md, in the order of the calls.
#include <algorithm>

#include "apiq/error.hpp"
#include "io/checkpoint.hpp"
#include "io/checkpoint_layout.hpp"
#include "io/staged_file.hpp"
#include "io/stored_linear.hpp"

namespace apiq {

namespace h5 = hdf5;
namespace layout = checkpoint_layout;

struct CheckpointWriter::State {
  explicit State(const std::filesystem::path& path) : staged(path) {}
  h5::StagedFile staged;
  h5::Node linears, tensors;
};

CheckpointWriter::CheckpointWriter(const std::filesystem::path& path, const CheckpointMeta& meta) {
  for (const auto& [name, bytes] : meta.side_files) layout::check_name("file", name);
  state_ = std::make_unique<State>(path);
  const h5::Node& file = state_->staged.file();
  h5::write_attribute(file, "format", std::string(layout::kFormat));
  h5::write_attribute(file, "format_version", layout::kFormatVersion);
  h5::write_attribute(file, "method", meta.method);
  layout::write_text(file, "options", meta.options_json);
  layout::write_text(file, "provenance", meta.provenance_json);
  const h5::Node files = h5::create_group(file, "files");
  for (const auto& [name, bytes] : meta.side_files) layout::write_text_dataset(files, name, bytes);
  state_->linears = h5::create_group(file, "linears");
  state_->tensors = h5::create_group(file, "tensors");
}

CheckpointWriter::~CheckpointWriter() = default;
CheckpointWriter::CheckpointWriter(CheckpointWriter&&) noexcept = default;

void CheckpointWriter::add_linear(const std::string& name, const QuantizedLinear& linear) {
  layout::write_linear(state_->linears, name, linear);
}

namespace {

h5::Node create_tensor(const h5::Node& tensors, const TensorInfo& info) {
  layout::check_name("tensor", info.name);
  layout::check_new(tensors, info.name);
  if (info.shape.rank() == 0 || info.shape.elements() == 0)
    throw ShapeError("[checkpoint] " + info.name + ": shape " + info.shape.text() +
                     " has no elements to store");
  if (info.dtype != DType::f32 && info.dtype != DType::f16 && info.dtype != DType::bf16)
    throw InvalidArgument("[checkpoint] " + info.name + ": dtype " + std::string(name_of(info.dtype)) +
                          " is not one of f32, f16, bf16");
  return h5::create_dataset(tensors, info.name, layout::element_of(info.dtype), layout::dims_of(info.shape));
}

void finish_tensor(const h5::Node& dataset, const TensorInfo& info) {
  if (info.dtype == DType::bf16) h5::write_attribute(dataset, "dtype", std::string("bf16"));
}

}  // namespace

void CheckpointWriter::add_tensor(const TensorInfo& info, std::span<const std::byte> bytes) {
  if (const std::uint64_t expected = info.shape.elements() * size_of(info.dtype); bytes.size() != expected)
    throw ShapeError("[checkpoint] " + info.name + ": expected " + std::to_string(expected) +
                     " bytes for shape " + info.shape.text() + ", got " + std::to_string(bytes.size()));
  const h5::Node dataset = create_tensor(state_->tensors, info);
  h5::write_rows(dataset, layout::element_of(info.dtype), layout::dims_of(info.shape), 0, bytes);
  finish_tensor(dataset, info);
}

void CheckpointWriter::add_tensor(const TensorInfo& info, const TensorSource& source) {
  const h5::Node dataset = create_tensor(state_->tensors, info);
  const h5::Element element = layout::element_of(info.dtype);
  const h5::Dims dims = layout::dims_of(info.shape);
  // Whole chunks of the file, or HDF5 would read back what it has just written to complete them.
  const std::uint64_t row_bytes = info.shape.elements() / dims[0] * size_of(info.dtype),
                      chunk_rows = h5::chunk_dims(dims, h5::size_of(element))[0];
  const std::uint64_t rows =
      std::max<std::uint64_t>(1, kStreamChunkBytes / (chunk_rows * row_bytes)) * chunk_rows;
  for_each_chunk(source, info.name, rows * row_bytes,
                 [&](std::uint64_t offset, std::span<const std::byte> chunk) {
                   h5::write_rows(dataset, element, dims, offset / row_bytes, chunk);
                 });
  finish_tensor(dataset, info);
}

void CheckpointWriter::add_report(const std::string& json_text) {
  layout::check_new(state_->staged.file(), "report");
  layout::write_text_dataset(state_->staged.file(), "report", json_text);
}

void CheckpointWriter::finish() {
  state_->linears.handle.close();
  state_->tensors.handle.close();
  state_->staged.commit();
}

}  // namespace apiq
