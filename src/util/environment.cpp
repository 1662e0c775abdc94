#include "util/environment.hpp"

#include <cstdlib>
#include <sstream>

#include "apiq/error.hpp"

namespace apiq {

namespace {

// PoCL's and Intel's: how work-groups become loops, for which processor, with which options.
constexpr const char* kDriverVariables[] = {"CL_CONFIG_CPU_TARGET_ARCH", "POCL_EXTRA_BUILD_FLAGS",
                                            "POCL_LLVM_CPU_NAME", "POCL_WORK_GROUP_METHOD"};

/// Empty if it is not set.
std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// PoCL 3.1 reads past the end of options that stop at such a word and takes the process with it.
void check_build_options(const std::string& options) {
  std::istringstream words(options);
  std::string open;
  for (std::string word; words >> word;) {
    if (!open.empty() && word[0] == '-') break;
    open = open.empty() && (word == "-D" || word == "-I") ? word : "";
  }
  if (!open.empty())
    throw InvalidArgument("[environment] APIQ_BUILD_OPTIONS='" + options + "': " + open +
                          " has no value; expected " +
                          (open == "-D" ? "-D NAME or -D NAME=VALUE" : "-I FOLDER"));
}

void check_preset(const std::string& preset) {
  if (!preset.empty() && preset != "cpu" && preset != "gpu")
    throw InvalidArgument("[environment] APIQ_PRESET='" + preset + "': expected cpu or gpu");
}

}  // namespace

Environment Environment::read() {
  Environment out;
  out.device = text_of("APIQ_DEVICE");
  out.build_options = text_of("APIQ_BUILD_OPTIONS");
  out.fast_paths = text_of("APIQ_FAST_PATHS");
  out.gemm = text_of("APIQ_GEMM");
  out.preset = text_of("APIQ_PRESET");
  out.tuning_dir = text_of("APIQ_TUNING_DIR");
  if (const char* folder = std::getenv("APIQ_CACHE_DIR")) out.cache_dir = folder;
  if (const char* folder = std::getenv("POCL_CACHE_DIR")) out.pocl_cache_dir = folder;
  out.home = text_of("HOME");
  out.xdg_cache_home = text_of("XDG_CACHE_HOME");
  out.xdg_data_home = text_of("XDG_DATA_HOME");
  for (const char* name : kDriverVariables)
    if (std::string value = text_of(name); !value.empty()) out.drivers[name] = std::move(value);
  return out;
}

void Environment::check() const {
  check_build_options(build_options);
  check_preset(preset);
}

std::map<std::string, std::string> Environment::changing_results() const {
  std::map<std::string, std::string> out = drivers;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  add("APIQ_BUILD_OPTIONS", build_options);
  add("APIQ_FAST_PATHS", fast_paths);
  add("APIQ_GEMM", gemm);
  add("APIQ_PRESET", preset);
  return out;
}

}  // namespace apiq
