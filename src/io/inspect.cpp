#include "apiq/inspect.hpp"

#include <algorithm>
#include <set>

#include "apiq/error.hpp"
#include "family/tensor_names.hpp"
#include "io/checkpoint.hpp"
#include "io/model_directory.hpp"
#include "tensor/tensor_source.hpp"

namespace apiq {

namespace fs = std::filesystem;

namespace {

void add_tensors(FileSummary& out, const std::vector<TensorInfo>& tensors) {
  for (const TensorInfo& t : tensors) {
    out.tensors.push_back(
        {t.name, std::string(name_of(t.dtype)), t.shape.text(), t.shape.elements() * size_of(t.dtype)});
  }
}

void add_side_files(FileSummary& out, const std::map<std::string, std::string>& files) {
  for (const auto& [name, bytes] : files) out.side_files.push_back(name);
  if (const auto it = files.find("config.json"); it != files.end()) out.config_json = it->second;
}

FileSummary inspect_checkpoint(const fs::path& path) {
  const CheckpointReader reader = CheckpointReader::open(path);
  FileSummary out;
  out.path = path.string();
  out.kind = "checkpoint";
  out.method = reader.meta().method;
  out.options_json = reader.meta().options_json;
  out.provenance_json = reader.meta().provenance_json;
  out.report_json = reader.report_json();
  add_side_files(out, reader.meta().side_files);
  add_tensors(out, reader.tensors());
  out.linear_names = linear_names(reader.config());
  for (const TensorInfo& t : reader.tensors())
    if (is_linear_weight(reader.config(), t.name))
      out.dense_linears.push_back(t.name.substr(0, t.name.size() - std::string_view(".weight").size()));
  double weights = 0, bytes = 0, adapter_bytes = 0;
  for (const LinearEntry& l : reader.linears()) {
    out.linears.push_back({l.name, l.layout.out_features, l.layout.in_features, l.layout.bits,
                           l.layout.group_size, l.rank, l.symmetric, l.bytes, l.adapter_bytes});
    weights += static_cast<double>(l.layout.out_features) * l.layout.in_features;
    bytes += static_cast<double>(l.bytes);
    adapter_bytes += static_cast<double>(l.adapter_bytes);
  }
  out.bits_per_weight = weights > 0 ? 8 * bytes / weights : 0;
  out.adapter_bits_per_weight = weights > 0 ? 8 * adapter_bytes / weights : 0;
  out.total_bytes = fs::file_size(path);
  return out;
}

FileSummary inspect_directory(const fs::path& path) {
  const ModelDirectory model = ModelDirectory::open(path);
  FileSummary out;
  out.path = path.string();
  out.kind = "model directory";
  add_side_files(out, model.side_files());
  add_tensors(out, model.tensors().tensors());
  for (const TensorSummary& t : out.tensors) out.total_bytes += t.bytes;
  for (const auto& [name, bytes] : model.side_files()) out.total_bytes += bytes.size();
  return out;
}

bool is_model_directory(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) throw IoError(path.string() + ": no such file or directory");
  if (fs::is_directory(path, error)) return true;
  if (is_checkpoint_file(path)) return false;
  throw FormatError(
      path.string() +
      ": expected a Hugging Face directory or a checkpoint .h5 (HDF5), found another kind of file");
}

/// A directory carries no checksums; what can be told is that every byte is readable and every weight a
/// number.
void verify_directory(const fs::path& path) {
  const ModelDirectory model = ModelDirectory::open(path);
  for (const TensorInfo& t : model.tensors().tensors()) {
    try {
      check_finite(t, model.tensors().bytes(t.name));
    } catch (const FormatError& error) {
      throw FormatError(path.string() + ": " + error.what());
    }
  }
}

/// "codes, scales": what differs between two linears of one name; empty if nothing.
std::string difference(const QuantizedLinear& a, const QuantizedLinear& b) {
  std::string out;
  const auto note = [&out](bool same, const std::string& part) {
    if (!same) out += (out.empty() ? "" : ", ") + part;
  };
  const PackedLayout& layout = a.weight.layout;
  if (layout == b.weight.layout) {
    const std::vector<Plane> planes = layout.codec->planes(layout);
    for (std::size_t i = 0; i < planes.size(); ++i)
      note(a.weight.planes[i] == b.weight.planes[i], std::string(planes[i].name));
  } else {
    note(false, "format");
  }
  note(a.symmetric == b.symmetric, "symmetric");
  note(a.rank == b.rank && a.alpha == b.alpha, "rank or alpha");
  note(a.lora_A == b.lora_A, "lora_A");
  note(a.lora_B == b.lora_B, "lora_B");
  return out;
}

template <class Entries>
std::set<std::string> names(const Entries& entries) {
  std::set<std::string> out;
  for (const auto& entry : entries) out.insert(entry.name);
  return out;
}

/// Adds the names that only one side has and returns those both have.
std::vector<std::string> shared_names(const std::set<std::string>& a, const std::set<std::string>& b,
                                      std::vector<std::string>& differences) {
  std::vector<std::string> shared;
  for (const std::string& name : a) {
    if (b.contains(name)) shared.push_back(name);
    else differences.push_back(name + ": only in the first");
  }
  for (const std::string& name : b) {
    if (!a.contains(name)) differences.push_back(name + ": only in the second");
  }
  return shared;
}

void compare_meta(const CheckpointMeta& a, const CheckpointMeta& b, std::vector<std::string>& out) {
  if (a.method != b.method) out.push_back("method: " + a.method + " and " + b.method);
  if (a.options_json != b.options_json) out.push_back("options");
  std::set<std::string> in_a, in_b;
  for (const auto& [name, bytes] : a.side_files) in_a.insert(name);
  for (const auto& [name, bytes] : b.side_files) in_b.insert(name);
  for (const std::string& name : shared_names(in_a, in_b, out)) {
    if (a.side_files.at(name) != b.side_files.at(name)) out.push_back(name + ": content");
  }
}

const TensorInfo& info_of(const std::vector<TensorInfo>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& t) { return t.name == name; });
}

}  // namespace

FileSummary inspect(const fs::path& path) {
  return is_model_directory(path) ? inspect_directory(path) : inspect_checkpoint(path);
}

void verify(const fs::path& path) {
  if (is_model_directory(path)) return verify_directory(path);
  CheckpointReader::open(path).verify();
}

std::vector<std::string> compare(const fs::path& a, const fs::path& b) {
  for (const fs::path& path : {a, b}) {
    if (is_model_directory(path))
      throw Unsupported(path.string() + ": is a model directory; only checkpoints .h5 can be compared");
  }
  const CheckpointReader first = CheckpointReader::open(a), second = CheckpointReader::open(b);
  std::vector<std::string> out;
  compare_meta(first.meta(), second.meta(), out);
  for (const std::string& name : shared_names(names(first.linears()), names(second.linears()), out)) {
    const std::string parts = difference(first.read_linear(name), second.read_linear(name));
    if (!parts.empty()) out.push_back(name + ": " + parts);
  }
  for (const std::string& name : shared_names(names(first.tensors()), names(second.tensors()), out)) {
    const TensorInfo& x = info_of(first.tensors(), name);
    const TensorInfo& y = info_of(second.tensors(), name);
    if (x.dtype != y.dtype || x.shape != y.shape) out.push_back(name + ": dtype or shape");
    else if (first.read_tensor(name) != second.read_tensor(name)) out.push_back(name + ": values");
  }
  return out;
}

}  // namespace apiq
