#include "batch/manifest.hpp"

#include <algorithm>

#include "util/json.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

namespace fs = std::filesystem;

/// The options of the programs that the manifest uses, each program asked once.
class Programs {
 public:
  Programs(const ManifestValue& root, const fs::path& folder, const ProgramSource& source) : source_(source) {
    if (!root.has("programs")) return;
    const ManifestValue named = root.at("programs");
    named.check_members({"quantize", "eval", "export"});
    for (const std::string& name : named.members()) {
      const fs::path path = folder / named.at(name).text();
      if (!fs::is_regular_file(path)) throw named.at(name).error(path.string() + " is not a file");
      paths_[name] = fs::absolute(path);
    }
  }

  const OptionTable& options(const std::string& name) {
    const auto known = described_.find(name);
    if (known != described_.end()) return known->second.options;
    return described_.emplace(name, source_(name, paths_[name])).first->second.options;
  }

  std::map<std::string, BatchProgram> used() const {
    std::map<std::string, BatchProgram> out;
    for (const auto& [name, described] : described_) out[name] = described.program;
    return out;
  }

 private:
  const ProgramSource& source_;
  std::map<std::string, fs::path> paths_;
  std::map<std::string, DescribedProgram> described_;
};

ManifestModel read_model(const ManifestValue& value, const std::string& name, const fs::path& folder) {
  const fs::path path = value.text(), found = folder / path;
  if (!fs::exists(found))
    throw value.error(found.string() +
                      " does not exist; expected a Hugging Face directory or a checkpoint .h5");
  if (fs::is_directory(found) && !fs::exists(found / "config.json"))
    throw value.error(found.string() +
                      " has no config.json; expected a Hugging Face directory or a checkpoint .h5");
  return {name, path};
}

/// {"name": "path", ...}, or a list of paths that are called by their last part.
std::vector<ManifestModel> read_models(const ManifestValue& value, const fs::path& folder) {
  std::vector<ManifestModel> out;
  if (value.json().is_object()) {
    for (const std::string& name : value.members()) out.push_back(read_model(value.at(name), name, folder));
    if (out.empty()) throw value.mismatch("at least one model");
    return out;
  }
  if (!value.json().is_array()) throw value.mismatch("an object {\"name\": \"path\"} or a list of paths");
  for (const ManifestValue& item : value.items()) {
    const fs::path path = fs::path(item.text()) / "";
    ManifestModel model = read_model(item, path.parent_path().filename().string(), folder);
    if (std::any_of(out.begin(), out.end(),
                    [&](const ManifestModel& other) { return other.name == model.name; }))
      throw item.error("two models are called '" + model.name + "'; name them: {\"name\": \"path\", ...}");
    model.path = item.text();
    out.push_back(std::move(model));
  }
  return out;
}

std::vector<std::string> read_entry_models(const ManifestValue& entry,
                                           const std::vector<ManifestModel>& models) {
  std::vector<std::string> out;
  if (!entry.has("model")) {
    for (const ManifestModel& model : models) out.push_back(model.name);
    return out;
  }
  for (const ManifestValue& item : entry.at("model").items_or_self()) {
    const std::string name = item.text();
    if (std::none_of(models.begin(), models.end(), [&](const ManifestModel& m) { return m.name == name; }))
      throw item.error("'" + excerpt(name) + "' is not a name under 'models'");
    out.push_back(name);
  }
  return out;
}

void check_quantizable(const ManifestValue& entry, const Manifest& manifest,
                       const std::vector<std::string>& names) {
  for (const ManifestModel& model : manifest.models) {
    const bool used = std::find(names.begin(), names.end(), model.name) != names.end();
    if (used && !fs::is_directory(manifest.folder / model.path))
      throw entry.error("expected a Hugging Face directory to quantize, found " + model.path.string() +
                        "; name other models under 'model'");
  }
}

struct Sections {
  OptionAxes defaults;  // of quantize jobs
  OptionAxes eval;      // of eval jobs
};

ManifestEntry read_entry(const ManifestValue& value, const Manifest& manifest, Programs& programs,
                         const Sections& sections) {
  static const std::vector<std::string> kOwn = {"program", "model", "name"};
  ManifestEntry out;
  out.key = value.key();
  value.members();  // an object, or a clear complaint
  out.program = value.has("program") ? value.at("program").text() : "quantize";
  if (out.program != "quantize" && out.program != "eval")
    throw value.at("program").mismatch("quantize or eval");
  out.models = read_entry_models(value, manifest.models);
  if (out.program == "quantize") check_quantizable(value, manifest, out.models);
  if (value.has("name")) out.name = value.at("name").text();
  out.axes = read_axes(value, out.program, programs.options(out.program), kOwn);
  const OptionAxes& defaults = out.program == "quantize" ? sections.defaults : sections.eval;
  out.axes.insert(defaults.begin(), defaults.end());  // what the entry gives stays
  return out;
}

/// The evaluation of every result, and of the models themselves unless "unquantized" is false.
void read_eval(const ManifestValue& root, Manifest& manifest, Programs& programs, Sections& sections) {
  if (!root.has("eval")) return;
  const ManifestValue value = root.at("eval");
  manifest.eval = read_settings(value, "eval", programs.options("eval"), {"unquantized"});
  manifest.eval->erase("model");
  if (value.has("model"))
    throw value.at("model").error("unknown key: results and models are evaluated by themselves");
  if (!value.has("text") && !value.has("tasks")) throw value.error("the key 'text' is missing");
  for (const auto& [name, words] : *manifest.eval) sections.eval[name] = {words};
  if (value.has("unquantized") && !value.at("unquantized").boolean()) return;
  ManifestEntry entry{value.key(), "eval", {}, "{model}", sections.eval};
  for (const ManifestModel& model : manifest.models) entry.models.push_back(model.name);
  manifest.entries.push_back(std::move(entry));
}

void read_export(const ManifestValue& root, Manifest& manifest, Programs& programs) {
  if (!root.has("export")) return;
  const ManifestValue value = root.at("export");
  manifest.exported = read_settings(value, "export", programs.options("export"), {});
  value.at("format").text();
}

double read_time_limit(const ManifestValue& root) {
  if (!root.has("time_limit")) return 0;
  const ManifestValue value = root.at("time_limit");
  const double seconds = value.json().is_number() ? value.json().get<double>() : 0;
  if (!(seconds > 0)) throw value.mismatch("seconds, above 0");
  return seconds;
}

void read_places(const ManifestValue& root, Manifest& manifest) {
  manifest.output = root.has("output") ? fs::path(root.at("output").text()) : manifest.file.stem();
  manifest.devices = {""};
  if (!root.has("devices")) return;
  manifest.devices.clear();
  for (const ManifestValue& device : root.at("devices").items_or_self())
    manifest.devices.push_back(device.text());
}

}  // namespace

Manifest parse_manifest(std::string_view text, const fs::path& file, const ProgramSource& source) {
  const nlohmann::json json = parse_json(text, file.string());
  const ManifestValue root(json, file.string());
  root.check_members(
      {"models", "jobs", "defaults", "eval", "export", "devices", "output", "programs", "time_limit"});
  Manifest out;
  out.file = file;
  out.folder = fs::absolute(file).lexically_normal().parent_path();
  out.models = read_models(root.at("models"), out.folder);
  read_places(root, out);
  out.time_limit = read_time_limit(root);
  Programs programs(root, out.folder, source);
  Sections sections;
  if (root.has("defaults")) {
    sections.defaults = read_axes(root.at("defaults"), "quantize", programs.options("quantize"), {});
    if (root.at("defaults").has("model"))
      throw root.at("defaults").at("model").error("unknown key: jobs name their models, or take all of them");
  }
  read_eval(root, out, programs, sections);
  read_export(root, out, programs);
  if (!root.has("jobs") && out.entries.empty()) root.at("jobs");  // complains
  if (root.has("jobs")) {
    for (const ManifestValue& entry : root.at("jobs").items())
      out.entries.push_back(read_entry(entry, out, programs, sections));
  }
  out.programs = programs.used();
  return out;
}

}  // namespace apiq
