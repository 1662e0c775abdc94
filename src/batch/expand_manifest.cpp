#include <algorithm>
#include <set>

#include "batch/manifest.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxJobs = 10000;  // more is a slip of the pen, and would fill a screen for minutes

/// Options that name files which a step reads.
const std::vector<std::string> kInputOptions = {"calibration", "text", "reference", "config"};

bool varies(const ManifestEntry& entry, const std::string& option) {
  return entry.axes.at(option).size() > 1;
}

/// Axes in the order in which jobs are listed: method and bits first, the rest by name.
std::vector<std::string> ordered_axes(const ManifestEntry& entry) {
  std::vector<std::string> out;
  for (const char* name : {"method", "bits"}) {
    if (entry.axes.count(name)) out.push_back(name);
  }
  for (const auto& [name, unused] : entry.axes) {
    if (name != "method" && name != "bits") out.push_back(name);
  }
  return out;
}

std::string value_text(const OptionWords& words) { return words ? settings_text(*words) : "none"; }

/// "novels-6m-apiq-lw-2bit-rank16": the model, method and bits, and whatever else varies within the entry.
std::string default_name(const ManifestEntry& entry, const std::string& model,
                         const OptionSettings& settings) {
  std::string out = model;
  for (const std::string& option : ordered_axes(entry)) {
    const OptionWords& words = settings.at(option);
    if (option == "method") {
      if (words) out += "-" + value_text(words);
    } else if (option == "bits") {
      if (words) out += "-" + value_text(words) + "bit";
    } else if (varies(entry, option)) {
      out += "-" + option + (words && words->empty() ? "" : value_text(words));
    }
  }
  return entry.program == "eval" ? out + "-eval" : out;
}

/// The pattern with every {option} replaced by its value.
std::string filled_name(const ManifestEntry& entry, const std::string& model, const OptionSettings& settings,
                        const std::string& file) {
  std::string out;
  for (std::size_t at = 0; at < entry.name.size();) {
    const std::size_t open = std::min(entry.name.find('{', at), entry.name.size());
    out += entry.name.substr(at, open - at);
    if (open == entry.name.size()) break;
    const std::size_t close = entry.name.find('}', open);
    const std::string key = close == std::string::npos ? "" : entry.name.substr(open + 1, close - open - 1);
    const auto setting = settings.find(key);
    if (key != "model" && setting == settings.end())
      throw FormatError(file + ": " + entry.key + ".name: {" + excerpt(key) +
                        "} is neither {model} nor an option that this job gives");
    out += key == "model" ? model : value_text(setting->second);
    at = close + 1;
  }
  return out;
}

/// A name that is a file name anywhere.
std::string safe_name(std::string name) {
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '+' || c == '-';
    if (!plain) c = '-';
  }
  return name.substr(0, 200);
}

class Expansion {
 public:
  explicit Expansion(const Manifest& manifest) : manifest_(manifest), file_(manifest.file.string()) {
    batch_.manifest = manifest.file;
    batch_.folder = manifest.folder;
    batch_.output = manifest.output;
    batch_.devices = manifest.devices;
    batch_.time_limit = manifest.time_limit;
    batch_.programs = manifest.programs;
  }

  Batch run() {
    for (const ManifestEntry& entry : manifest_.entries) {
      for (const std::string& model : entry.models) choose(entry, model, ordered_axes(entry), 0, {});
    }
    return std::move(batch_);
  }

 private:
  /// Goes through every combination of the axes from `depth` on.
  void choose(const ManifestEntry& entry, const std::string& model, const std::vector<std::string>& axes,
              std::size_t depth, OptionSettings settings) {
    if (depth == axes.size()) return add_job(entry, model, std::move(settings));
    for (const OptionWords& words : entry.axes.at(axes[depth])) {
      settings[axes[depth]] = words;
      choose(entry, model, axes, depth + 1, settings);
    }
  }

  void add_job(const ManifestEntry& entry, const std::string& model, OptionSettings settings) {
    BatchJob job;
    job.model = model;
    job.name = safe_name(entry.name.empty() ? default_name(entry, model, settings)
                                            : filled_name(entry, model, settings, file_));
    if (!names_.insert(job.name).second) {
      throw FormatError(file_ + ": " + entry.key + ": two jobs are called '" + job.name +
                        "'; give the entry a 'name' with {option} in it for what tells them apart");
    }
    if (batch_.jobs.size() == kMaxJobs)
      throw FormatError(file_ + ": " + entry.key + ": expected at most " + std::to_string(kMaxJobs) +
                        " jobs");
    for (const auto& [name, words] : settings) {
      if (words) job.settings[name] = settings_text(*words);
    }
    if (entry.program == "quantize") {
      add_quantize_steps(job, settings, entry.key);
    } else {
      job.steps.push_back(made_step(job, "eval", path_of(model), std::move(settings), entry.key));
      job.steps.back().inputs.push_back(path_of(model));
    }
    batch_.jobs.push_back(std::move(job));
  }

  void add_quantize_steps(BatchJob& job, const OptionSettings& settings, const std::string& key) {
    const fs::path checkpoint = manifest_.output / (job.name + ".h5");
    BatchStep quantize = made_step(job, "quantize", path_of(job.model), settings, key);
    quantize.inputs.push_back(path_of(job.model));
    quantize.product = checkpoint;
    quantize.arguments.insert(quantize.arguments.begin() + 2, {"--output", checkpoint.string()});
    job.steps.push_back(std::move(quantize));
    if (manifest_.eval) job.steps.push_back(made_step(job, "eval", checkpoint, *manifest_.eval, "eval"));
    if (!manifest_.exported) return;
    BatchStep exported = made_step(job, "export", checkpoint, *manifest_.exported, "export");
    const OptionWords& format = manifest_.exported->at("format");
    exported.product = manifest_.output / (job.name + "." + safe_name(value_text(format)));
    exported.arguments.insert(exported.arguments.begin() + 2, {"--output", exported.product.string()});
    job.steps.push_back(std::move(exported));
  }

  BatchStep made_step(const BatchJob& job, const std::string& program, const fs::path& model,
                      OptionSettings settings, const std::string& key) {
    BatchStep out;
    out.program = program;
    out.id = job.name + "." + program;
    for (const std::string& option : kInputOptions) {
      const auto setting = settings.find(option);
      if (setting == settings.end() || !setting->second) continue;
      for (std::string& word : *setting->second) add_input(out, option, word, key);
    }
    out.arguments = {"--model", model.string()};
    const std::vector<std::string> words = command_words(settings);
    out.arguments.insert(out.arguments.end(), words.begin(), words.end());
    return out;
  }

  /// A model may be given by its name.
  void add_input(BatchStep& step, const std::string& option, std::string& word,
                 const std::string& key) const {
    if (option == "reference" && has_model(word)) word = path_of(word).string();
    if (!fs::exists(manifest_.folder / word))
      throw FormatError(file_ + ": " + key + "." + option + ": " + (manifest_.folder / word).string() +
                        " does not exist");
    step.inputs.push_back(word);
  }

  bool has_model(const std::string& name) const {
    return std::any_of(manifest_.models.begin(), manifest_.models.end(),
                       [&](const ManifestModel& m) { return m.name == name; });
  }

  fs::path path_of(const std::string& name) const {
    return std::find_if(manifest_.models.begin(), manifest_.models.end(),
                        [&](const ManifestModel& m) { return m.name == name; })
        ->path;
  }

  const Manifest& manifest_;
  std::string file_;
  Batch batch_;
  std::set<std::string> names_;
};

}  // namespace

Batch expand_manifest(const Manifest& manifest) { return Expansion(manifest).run(); }

}  // namespace apiq
