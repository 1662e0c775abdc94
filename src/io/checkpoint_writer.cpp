// Writing a checkpoint: docs/checkpoint-format.md, in the order of the calls.
#include "apiq/error.hpp"
#include "io/checkpoint.hpp"
#include "io/checkpoint_layout.hpp"
#include "io/hdf5.hpp"
#include "util/atomic_file.hpp"

namespace apiq {

namespace fs = std::filesystem;
namespace h5 = hdf5;
namespace layout = checkpoint_layout;

struct CheckpointWriter::State {
  fs::path path, temporary;
  h5::Node file, linears, tensors;

  ~State() {
    if (temporary.empty()) return;
    // Groups first: the file is closed by its last id.
    linears.handle.close();
    tensors.handle.close();
    h5::abandon_file(file);
    std::error_code ignored;
    fs::remove(temporary, ignored);
  }
};

namespace {

template <class T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values.data(), values.size()));
}

void check_name(const std::string& kind, const std::string& name) {
  if (name.empty() || name.size() > layout::kMaxNameBytes || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos)
    throw InvalidArgument("[checkpoint] " + kind + " name '" + name + "' cannot be stored: expected 1 to 500 bytes without '/'");
}

void check_count(const std::string& name, const char* what, std::size_t found, std::uint64_t expected) {
  if (found != expected)
    throw ShapeError("[checkpoint] " + name + ": " + what + ": expected " + std::to_string(expected) + " elements, got " + std::to_string(found));
}

void check_new(const h5::Node& group, const std::string& name) {
  if (h5::has_child(group, name)) throw InvalidArgument("[checkpoint] " + h5::child_of(group, name).where() + ": added twice");
}

void write_text_dataset(const h5::Node& parent, const std::string& name, const std::string& text) {
  h5::write_dataset(parent, name, h5::Element::u8, {text.size()}, bytes_of(text));
}

// Attributes show up at once in any viewer, but HDF5 limits them to less than 64 KiB.
void write_text(const h5::Node& root, const char* name, const std::string& text) {
  if (text.size() <= layout::kMaxTextAttribute) h5::write_attribute(root, name, text);
  else write_text_dataset(root, name, text);
}

void check_linear(const std::string& name, const QuantizedLinear& l) {
  check_name("linear", name);
  const PackedLayout& p = l.weight.layout;
  check_layout(p, name.c_str());
  check_count(name, "qweight", l.weight.qweight.size(), p.qweight_words());
  check_count(name, "scales", l.weight.scales.size(), p.scale_count());
  check_count(name, "qzeros", l.weight.qzeros.size(), p.qzeros_words());
  check_count(name, "lora_A", l.lora_A.size(), std::uint64_t{l.rank} * p.in_features);
  check_count(name, "lora_B", l.lora_B.size(), std::uint64_t{p.out_features} * l.rank);
}

}  // namespace

CheckpointWriter::CheckpointWriter(const fs::path& path, const CheckpointMeta& meta) : state_(std::make_unique<State>()) {
  if (fs::is_directory(path)) throw IoError(path.string() + ": is a directory; expected a file name for the checkpoint");
  for (const auto& [name, bytes] : meta.side_files) check_name("file", name);
  State& s = *state_;
  s.path = path;
  s.temporary = temporary_name(path);
  s.file = h5::create_file(s.temporary, path.string());
  h5::write_attribute(s.file, "format", std::string(layout::kFormat));
  h5::write_attribute(s.file, "format_version", layout::kFormatVersion);
  h5::write_attribute(s.file, "method", meta.method);
  write_text(s.file, "options", meta.options_json);
  write_text(s.file, "provenance", meta.provenance_json);
  const h5::Node files = h5::create_group(s.file, "files");
  for (const auto& [name, bytes] : meta.side_files) write_text_dataset(files, name, bytes);
  s.linears = h5::create_group(s.file, "linears");
  s.tensors = h5::create_group(s.file, "tensors");
}

CheckpointWriter::~CheckpointWriter() = default;
CheckpointWriter::CheckpointWriter(CheckpointWriter&&) noexcept = default;

void CheckpointWriter::add_linear(const std::string& name, const QuantizedLinear& linear) {
  check_linear(name, linear);
  check_new(state_->linears, name);
  const PackedLayout& p = linear.weight.layout;
  const h5::Node group = h5::create_group(state_->linears, name);
  h5::write_attribute(group, "bits", p.bits);
  h5::write_attribute(group, "group_size", p.group_size);
  h5::write_attribute(group, "in_features", p.in_features);
  h5::write_attribute(group, "out_features", p.out_features);
  h5::write_attribute(group, "symmetric", std::uint32_t{linear.symmetric});
  h5::write_attribute(group, "rank", linear.rank);
  h5::write_attribute(group, "alpha", linear.alpha);
  h5::write_attribute(group, "layout", std::string(layout::kPackedLayout));

  h5::write_dataset(group, "qweight", h5::Element::u32, layout::qweight_dims(p), bytes_of(linear.weight.qweight));
  h5::write_dataset(group, "scales", h5::Element::f16, layout::scale_dims(p), bytes_of(linear.weight.scales));
  h5::write_dataset(group, "qzeros", h5::Element::u32, layout::qzeros_dims(p), bytes_of(linear.weight.qzeros));
  if (linear.rank == 0) return;
  h5::write_dataset(group, "lora_A", h5::Element::f16, {linear.rank, p.in_features}, bytes_of(linear.lora_A));
  h5::write_dataset(group, "lora_B", h5::Element::f16, {p.out_features, linear.rank}, bytes_of(linear.lora_B));
}

void CheckpointWriter::add_tensor(const TensorInfo& info, std::span<const std::byte> bytes) {
  check_name("tensor", info.name);
  check_new(state_->tensors, info.name);
  if (info.shape.rank() == 0 || info.shape.elements() == 0)
    throw ShapeError("[checkpoint] " + info.name + ": shape " + info.shape.text() + " has no elements to store");
  if (info.dtype != DType::f32 && info.dtype != DType::f16 && info.dtype != DType::bf16)
    throw InvalidArgument("[checkpoint] " + info.name + ": dtype " + std::string(name_of(info.dtype)) + " is not one of f32, f16, bf16");
  const h5::Node dataset = h5::write_dataset(state_->tensors, info.name, layout::element_of(info.dtype), layout::dims_of(info.shape), bytes);
  if (info.dtype == DType::bf16) h5::write_attribute(dataset, "dtype", std::string("bf16"));
}

void CheckpointWriter::add_report(const std::string& json_text) {
  check_new(state_->file, "report");
  write_text_dataset(state_->file, "report", json_text);
}

void CheckpointWriter::finish() {
  State& s = *state_;
  if (s.temporary.empty()) throw InvalidArgument("[checkpoint] " + s.path.string() + ": finished twice");
  s.linears.handle.close();
  s.tensors.handle.close();
  h5::finish_file(s.file);
  commit_file(s.temporary, s.path);
  s.temporary.clear();
}

}  // namespace apiq
