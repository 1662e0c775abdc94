// Writing a checkpoint: docs/checkpoint-format.md, in the order of the calls.
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

void CheckpointWriter::add_linear(const std::string& name, const QuantizedLinear& linear) { layout::write_linear(state_->linears, name, linear); }

void CheckpointWriter::add_tensor(const TensorInfo& info, std::span<const std::byte> bytes) {
  layout::check_name("tensor", info.name);
  layout::check_new(state_->tensors, info.name);
  if (info.shape.rank() == 0 || info.shape.elements() == 0)
    throw ShapeError("[checkpoint] " + info.name + ": shape " + info.shape.text() + " has no elements to store");
  if (info.dtype != DType::f32 && info.dtype != DType::f16 && info.dtype != DType::bf16)
    throw InvalidArgument("[checkpoint] " + info.name + ": dtype " + std::string(name_of(info.dtype)) + " is not one of f32, f16, bf16");
  const h5::Node dataset = h5::write_dataset(state_->tensors, info.name, layout::element_of(info.dtype), layout::dims_of(info.shape), bytes);
  if (info.dtype == DType::bf16) h5::write_attribute(dataset, "dtype", std::string("bf16"));
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
