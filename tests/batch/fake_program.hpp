// Stand-ins for the programs that a batch runs: shell scripts that answer --version and --describe, note how
// they were called, and do what --bits tells them to, so that crashes and waiting are at hand and a test
// takes milliseconds.
#pragma once
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"

namespace apiq::test {

/// "name type" of each option; "..." after the type: a list.
inline std::string fake_description(const std::vector<std::string>& options) {
  nlohmann::json out = {{"options", nlohmann::json::array()}};
  for (const std::string& option : options) {
    const std::size_t space = option.find(' ');
    const bool list = option.ends_with("...");
    const std::string type = option.substr(space + 1, option.size() - space - 1 - (list ? 3 : 0));
    out["options"].push_back({{"name", option.substr(0, space)}, {"type", type}, {"list", list}});
  }
  return out.dump(1);
}

inline const std::vector<std::string> kFakeQuantizeOptions = {
    "model path",   "output path",  "calibration path...", "method text", "bits integer", "symmetric switch",
    "rank integer", "seed integer", "restart switch",      "device text", "json text",    "alpha number"};

/// bits 5: ends with a result that is none; 6: crashes; 7: fails; 8: waits for a signal; 9: waits until two
/// of it run; others do well.
constexpr const char* kFakeQuantize = R"sh(
echo "$@" >> calls.txt
while [ $# -gt 0 ]; do case "$1" in --output) out=$2;; --json) json=$2;; --bits) bits=$2;; esac; shift; done
echo "working on $out"
case "$bits" in
5) echo '{"method": 1}' > "$json"; exit 0;;
6) echo 'about to crash' >&2; kill -SEGV $$;;
7) echo 'apiq-quantize: error: bits 7' >&2; exit 1;;
8) exec sleep 60;;
9) : > "running.$$"; tries=0
   until [ "$(ls running.* | wc -l)" -ge 2 ]; do tries=$((tries + 1)); [ $tries -lt 400 ] || exit 1; sleep 0.05; done;;
esac
echo checkpoint > "$out"
echo '{"method": "rtn", "bits": '"$bits"', "group_size": 64, "rank": 16, "seed": 3, "bits_per_weight": 2.5, "adapter_bits_per_weight": 0.25,
 "blocks": [{"relative_error": 0.5}, {"relative_error": 0.125}], "seconds": 1.5, "peak_device_bytes": 1000, "peak_host_bytes": 500}' > "$json"
)sh";

constexpr const char* kFakeEval = R"sh(
echo "eval $@" >> calls.txt
while [ $# -gt 0 ]; do case "$1" in --model) model=$2;; --json) json=$2;; esac; shift; done
[ -e "$model" ] || { echo 'apiq-eval: error: no model' >&2; exit 1; }
echo '{"method": null, "bits": 2, "perplexity": 12.5, "seconds": 0.5, "peak_device_bytes": 900, "peak_host_bytes": 700}' > "$json"
)sh";

/// A folder with a model, a text, the fake programs, and a manifest to be.
class BatchFolder : public TemporaryFolder {
 public:
  BatchFolder() {
    std::filesystem::create_directory(path() / "tiny");
    write("tiny/config.json", "{}");
    write("tiny/model.safetensors", "weights");
    write("text.txt", "Some text.");
    program("apiq-quantize", kFakeQuantizeOptions, kFakeQuantize);
    program("apiq-eval", {"model path", "text path", "reference path", "no-lora switch", "json text"},
            kFakeEval);
  }

  void program(const std::string& name, const std::vector<std::string>& options, const std::string& body,
               const std::string& version = "0.1.0") const {
    write(name, "#!/bin/sh\ncase \"$1\" in\n--version) echo '" + name + " " + version +
                    "'; exit;;\n--describe) cat <<'END'\n" + fake_description(options) +
                    "\nEND\nexit;;\nesac\n" + body);
    std::filesystem::permissions(path() / name, std::filesystem::perms::owner_all);
  }

  /// How often a program did more than describe itself, and the last such call.
  std::vector<std::string> calls() const {
    std::ifstream file(path() / "calls.txt");
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line);
    return out;
  }

  std::string text(const std::string& name) const {
    std::ifstream file(path() / name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
};

}  // namespace apiq::test
