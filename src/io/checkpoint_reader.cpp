// Reading a checkpoint. Nothing in the file is trusted: open() checks every name, type and size against
// config.json before any tensor is read; the checksums are HDF5's.
#include <algorithm>
#include <fstream>

#include "apiq/error.hpp"
#include "family/tensor_names.hpp"
#include "io/checkpoint.hpp"
#include "io/checkpoint_layout.hpp"
#include "io/checkpoint_values.hpp"
#include "io/hdf5.hpp"
#include "io/stored_linear.hpp"

namespace apiq {

namespace fs = std::filesystem;
namespace h5 = hdf5;
namespace layout = checkpoint_layout;

struct CheckpointReader::State {
  fs::path path;
  h5::Node file, linear_group, tensor_group;
  CheckpointMeta meta;
  ModelConfig config;
  std::vector<LinearEntry> linears;
  std::vector<TensorInfo> tensors;
};

namespace {

void check_format(const h5::Node& root) {
  if (!h5::has_attribute(root, "format") || h5::read_string_attribute(root, "format") != layout::kFormat)
    throw FormatError(root.file +
                      ": an HDF5 file, but not an apiq checkpoint (root attribute 'format' is not '" +
                      layout::kFormat + "')");
  const std::uint32_t version = h5::read_u32_attribute(root, "format_version");
  if (version != layout::kFormatVersion)
    throw Unsupported(root.file + ": format_version " + std::to_string(version) +
                      "; this program reads version " + std::to_string(layout::kFormatVersion));
}

CheckpointMeta read_meta(const h5::Node& root) {
  CheckpointMeta meta;
  meta.method = h5::read_string_attribute(root, "method");
  meta.options_json = layout::read_text(root, "options");
  meta.provenance_json = layout::read_text(root, "provenance");
  const h5::Node files = h5::open_group(root, "files");
  for (const auto& name : h5::children(files)) meta.side_files[name] = layout::read_text_dataset(files, name);
  return meta;
}

ModelConfig read_config(const h5::Node& root, const CheckpointMeta& meta) {
  const auto config = meta.side_files.find("config.json");
  if (config == meta.side_files.end())
    throw FormatError(root.file + ": /files/config.json: missing; without it the model cannot be built");
  ModelConfig out = parse_model_config(config->second, root.file + ": /files/config.json");
  const auto generation = meta.side_files.find("generation_config.json");
  if (generation != meta.side_files.end())
    apply_generation_config(out, generation->second, root.file + ": /files/generation_config.json");
  return out;
}

void check_tensor(const h5::Node& group, TensorInfo& info) {
  h5::DatasetInfo found;
  const h5::Node dataset = h5::open_dataset(group, info.name, found);
  if (found.dims != layout::dims_of(info.shape))
    h5::open_dataset(group, info.name, found.element, layout::dims_of(info.shape));  // throws, naming both
  switch (found.element) {
    case h5::Element::f32: info.dtype = DType::f32; return;
    case h5::Element::f16: info.dtype = DType::f16; return;
    case h5::Element::u16:
      if (h5::has_attribute(dataset, "dtype") && h5::read_string_attribute(dataset, "dtype") == "bf16") {
        info.dtype = DType::bf16;
        return;
      }
      [[fallthrough]];
    default:
      throw FormatError(dataset.where() +
                        ": expected f32, f16, or u16 with the attribute dtype='bf16'; found " +
                        h5::name_of(found.element));
  }
}

// Everything expected was found, so a larger group holds something that no configuration explains.
void check_nothing_else(const h5::Node& group, const std::vector<std::string>& expected_sorted) {
  for (const auto& name : h5::children(group))
    if (!std::binary_search(expected_sorted.begin(), expected_sorted.end(), name))
      throw FormatError(h5::child_of(group, name).where() +
                        ": not part of the model that config.json describes");
}

/// A linear is in /linears, or its weight is in /tensors as the model has it.
bool is_quantized(const h5::Node& linears, const h5::Node& tensors, const std::string& name,
                  const std::string& weight) {
  const bool packed = h5::has_child(linears, name), dense = h5::has_child(tensors, weight);
  const std::string where = h5::child_of(linears, name).where();
  if (packed && dense)
    throw FormatError(where + ": quantized, but " + h5::child_of(tensors, weight).path +
                      " is there as well; expected one of them");
  if (!packed && !dense)
    throw FormatError(where + ": missing; expected a group, or " + h5::child_of(tensors, weight).path);
  return packed;
}

}  // namespace

CheckpointReader::CheckpointReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
CheckpointReader::~CheckpointReader() = default;
CheckpointReader::CheckpointReader(CheckpointReader&&) noexcept = default;

CheckpointReader CheckpointReader::open(const fs::path& path) {
  if (!is_checkpoint_file(path))
    throw FormatError(path.string() + ": not an HDF5 file; expected a checkpoint (.h5)");
  auto state = std::make_unique<State>();
  State& s = *state;
  s.path = path;
  s.file = h5::open_file(path);
  check_format(s.file);
  s.meta = read_meta(s.file);
  s.config = read_config(s.file, s.meta);
  s.linear_group = h5::open_group(s.file, "linears");
  s.tensor_group = h5::open_group(s.file, "tensors");

  std::map<std::string, TensorInfo> expected;
  for (auto& info : expected_tensors(s.config)) expected.emplace(info.name, info);
  std::vector<std::string> linear_names, tensor_names;
  for (std::uint32_t block = 0; block < s.config.num_hidden_layers; ++block) {
    for (const LinearSpec& linear : s.config.block.linears) {
      const std::string tensor = weight_tensor(block, linear.name), name = part_name(block, linear.name);
      if (!is_quantized(s.linear_group, s.tensor_group, name, tensor))
        continue;  // stays among the expected tensors
      const auto weight = expected.extract(tensor);
      s.linears.push_back(layout::read_entry(s.linear_group, name, weight.mapped().shape));
      linear_names.push_back(name);
    }
  }
  for (auto& [name, info] : expected) {
    check_tensor(s.tensor_group, info);
    s.tensors.push_back(info);
    tensor_names.push_back(name);
  }
  std::sort(linear_names.begin(), linear_names.end());
  check_nothing_else(s.linear_group, linear_names);
  check_nothing_else(s.tensor_group, tensor_names);
  return CheckpointReader(std::move(state));
}

const fs::path& CheckpointReader::path() const { return state_->path; }
const ModelConfig& CheckpointReader::config() const { return state_->config; }
const CheckpointMeta& CheckpointReader::meta() const { return state_->meta; }
const std::vector<LinearEntry>& CheckpointReader::linears() const { return state_->linears; }
const std::vector<TensorInfo>& CheckpointReader::tensors() const { return state_->tensors; }

std::string CheckpointReader::report_json() const {
  return h5::has_child(state_->file, "report") ? layout::read_text_dataset(state_->file, "report")
                                               : std::string();
}

QuantizedLinear CheckpointReader::read_linear(const std::string& name) const {
  const auto entry =
      std::find_if(linears().begin(), linears().end(), [&](const LinearEntry& e) { return e.name == name; });
  if (entry == linears().end()) throw FormatError(path().string() + ": /linears has no '" + name + "'");
  return layout::read_linear(state_->linear_group, *entry);
}

std::vector<std::byte> CheckpointReader::read_tensor(const std::string& name) const {
  const auto info =
      std::find_if(tensors().begin(), tensors().end(), [&](const TensorInfo& t) { return t.name == name; });
  if (info == tensors().end()) throw FormatError(path().string() + ": /tensors has no '" + name + "'");
  const h5::Element element = layout::element_of(info->dtype);
  const h5::Node dataset =
      h5::open_dataset(state_->tensor_group, name, element, layout::dims_of(info->shape));
  std::vector<std::byte> bytes(info->shape.elements() * size_of(info->dtype));
  h5::read_all(dataset, element, bytes);
  return bytes;
}

void CheckpointReader::verify() const {
  for (const auto& entry : linears())
    check_values(path().string() + ": /linears/" + entry.name, read_linear(entry.name));
  for (const auto& info : tensors()) read_tensor(info.name);
  report_json();
}

bool is_checkpoint_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw IoError(path.string() + ": cannot be opened for reading");
  char found[8] = {};
  file.read(found, sizeof found);
  static constexpr char kSignature[8] = {'\x89', 'H', 'D', 'F', '\r', '\n', '\x1a', '\n'};
  return file.gcount() == sizeof found && std::equal(found, found + 8, kSignature);
}

}  // namespace apiq
