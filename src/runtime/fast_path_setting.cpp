#include "runtime/fast_path_setting.hpp"

#include <algorithm>

#include "apiq/error.hpp"

namespace apiq::runtime {

namespace {

/// "nv_mma" means "nv_mma.f16" and "nv_mma.bf16".
bool covers(std::string_view name, std::string_view path) {
  return path == name ||
         (path.size() > name.size() && path.substr(0, name.size()) == name && path[name.size()] == '.');
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    if (end != 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw InvalidArgument("[fast paths] APIQ_FAST_PATHS='" + std::string(text) + "': " + why);
}

}  // namespace

FastPathSetting FastPathSetting::parse(std::string_view text, const std::vector<std::string>& known) {
  FastPathSetting out;
  out.text_ = text;
  const std::vector<std::string> words = words_of(text);
  if (words.empty()) return out;
  if (words.size() == 1 && (words[0] == "auto" || words[0] == "all" || words[0] == "none")) {
    out.mode_ = words[0] == "all" ? Mode::all : words[0] == "none" ? Mode::none : Mode::automatic;
    return out;
  }
  out.mode_ = words[0][0] == '-' ? Mode::except : Mode::only;
  for (const std::string& word : words) {
    if ((word[0] == '-') != (out.mode_ == Mode::except))
      refuse(text, "expected paths to use or -paths to leave out, found both");
    const std::string name = word.substr(out.mode_ == Mode::except ? 1 : 0);
    if (std::none_of(known.begin(), known.end(),
                     [&](const std::string& path) { return covers(name, path); })) {
      std::string all;
      for (const std::string& path : known) all += (all.empty() ? "" : ", ") + path;
      refuse(text, "there is no path '" + name + "'; expected auto, all, none or some of: " + all);
    }
    out.names_.push_back(name);
  }
  return out;
}

bool FastPathSetting::named(std::string_view path) const {
  return std::any_of(names_.begin(), names_.end(),
                     [&](const std::string& name) { return covers(name, path); });
}

bool FastPathSetting::allows(std::string_view path, bool by_name_only) const {
  switch (mode_) {
    case Mode::none: return false;
    case Mode::only: return named(path);
    case Mode::except: return !by_name_only && !named(path);
    default: return !by_name_only;
  }
}

bool FastPathSetting::forces(std::string_view path) const {
  return mode_ == Mode::all || (mode_ == Mode::only && named(path));
}

}  // namespace apiq::runtime
