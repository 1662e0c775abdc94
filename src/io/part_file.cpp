#include "io/part_file.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "apiq/error.hpp"
#include "family/tensor_names.hpp"
#include "io/staged_file.hpp"
#include "io/stored_linear.hpp"
#include "util/json.hpp"
#include "util/sha256.hpp"

namespace apiq {

namespace h5 = hdf5;
namespace layout = checkpoint_layout;

namespace {

constexpr const char* kPartFormat = "apiq-part";
constexpr std::uint32_t kPartVersion = 1;

void check_format(const h5::Node& root) {
  if (!h5::has_attribute(root, "format") || h5::read_string_attribute(root, "format") != kPartFormat)
    throw FormatError(root.file + ": not a part file (root attribute 'format' is not '" + kPartFormat + "')");
  const std::uint32_t version = h5::read_u32_attribute(root, "format_version");
  if (version != kPartVersion)
    throw Unsupported(root.file + ": format_version " + std::to_string(version) +
                      "; this program reads version " + std::to_string(kPartVersion));
}

/// HDF5 keeps no order of links that a reader could rely on, so the names are listed: the groups must be
/// these and no others.
std::vector<std::string> read_order(const h5::Node& root, const h5::Node& linears) {
  const std::string where = root.where() + " names";
  std::vector<std::string> names;
  for (const auto& name : parse_json(layout::read_text(root, "names"), where)) {
    if (!name.is_string()) throw FormatError(where + ": expected a list of names");
    names.push_back(name.get<std::string>());
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != h5::children(linears))
    throw FormatError(where + ": does not list the groups in " + linears.path);
  return names;
}

/// Of the weights of a block's linears, by name without ".weight"; none past the last block.
std::map<std::string, Shape> linear_shapes(const ModelConfig& config, std::uint32_t block) {
  const std::string prefix = part_name(block, "");
  std::map<std::string, Shape> shapes;
  for (const TensorInfo& info : expected_tensors(config))
    if (info.name.starts_with(prefix) && is_linear_weight(config, info.name))
      shapes[info.name.substr(0, info.name.size() - std::string_view(".weight").size())] = info.shape;
  return shapes;
}

}  // namespace

std::string write_part(const std::filesystem::path& path, const BlockPart& part) {
  h5::StagedFile staged(path);
  const h5::Node& file = staged.file();
  h5::write_attribute(file, "format", std::string(kPartFormat));
  h5::write_attribute(file, "format_version", kPartVersion);
  h5::write_attribute(file, "block", part.block);
  nlohmann::json names = nlohmann::json::array();
  {
    const h5::Node linears = h5::create_group(file, "linears");
    for (const auto& [name, linear] : part.linears) {
      layout::write_linear(linears, name, linear);
      names.push_back(name);
    }
  }
  layout::write_text(file, "names", names.dump());
  layout::write_text_dataset(file, "report", part.report_json);
  staged.commit();
  return sha256_of_file(path);
}

BlockPart read_part(const std::filesystem::path& path, const ModelConfig& config) {
  const h5::Node file = h5::open_file(path);
  check_format(file);
  BlockPart part;
  part.block = h5::read_u32_attribute(file, "block");
  const auto shapes = linear_shapes(config, part.block);
  const h5::Node linears = h5::open_group(file, "linears");
  for (const auto& name : read_order(file, linears)) {
    const auto shape = shapes.find(name);
    if (shape == shapes.end())
      throw FormatError(h5::child_of(linears, name).where() + ": the model has no such linear in block " +
                        std::to_string(part.block));
    part.linears.emplace_back(name,
                              layout::read_linear(linears, layout::read_entry(linears, name, shape->second)));
  }
  part.report_json = layout::read_text_dataset(file, "report");
  return part;
}

}  // namespace apiq
