// The bundled model, settings small enough for a run of a second or two, and folders that show what a run
// left behind.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "e2e/command.hpp"
#include "support/paths.hpp"

namespace apiq::testing {

namespace fs = std::filesystem;

inline const fs::path kModel =
    fs::absolute(APIQ_SOURCE_DIR "/data/novels-6m");  // programs run in other folders

inline std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A folder of its own for one test, removed with it.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "apiq-e2e-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(path_)) out.push_back(entry.path().filename().string());
    return out;
  }

 private:
  fs::path path_;
};

/// Quantizes with 2 samples of 32 tokens and 1 epoch; `more` is appended.
inline std::vector<std::string> tiny_quantize(const fs::path& model, const fs::path& output,
                                              const std::vector<std::string>& more = {}) {
  std::vector<std::string> out = {"--model",
                                  model.string(),
                                  "--output",
                                  output.string(),
                                  "--calibration",
                                  (kModel / "calibration.txt").string(),
                                  "--samples",
                                  "2",
                                  "--sequence-length",
                                  "32",
                                  "--epochs",
                                  "1",
                                  "--rank",
                                  "4",
                                  "--quiet"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

/// The arguments with another value after `name`.
inline std::vector<std::string> with(std::vector<std::string> arguments, const std::string& name,
                                     const std::string& value) {
  const auto it = std::find(arguments.begin(), arguments.end(), name);
  if (it == arguments.end()) throw std::logic_error(name + " is not among the arguments");
  *(it + 1) = value;
  return arguments;
}

/// A copy of the model that a test may damage.
inline fs::path copy_model(const Folder& folder) {
  const fs::path copy = folder / "model";
  fs::create_directory(copy);
  for (const char* name : {"config.json", "generation_config.json", "model.safetensors", "tokenizer.model",
                           "tokenizer_config.json"}) {
    fs::copy_file(kModel / name, copy / name);
  }
  return copy;
}

/// A checkpoint made once per test program (apiq-bw, 2 bits, rank 4).
inline const fs::path& tiny_checkpoint() {
  static const Folder folder;
  static const fs::path path = [] {
    const fs::path out = folder / "tiny.h5";
    const Outcome outcome = run("apiq-quantize", tiny_quantize(kModel, out));
    if (outcome.status != 0)
      throw std::runtime_error("the tiny checkpoint could not be made: " + outcome.err);
    return out;
  }();
  return path;
}

/// The contract of every failure: this status, and one line on standard error that contains every text.
inline void expect_failure(const Outcome& outcome, int status, const std::vector<std::string>& texts) {
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_EQ(lines(outcome.err).size(), 1u) << outcome.err;
  EXPECT_THAT(outcome.err, ::testing::StartsWith("apiq-"));
  for (const std::string& text : texts) EXPECT_THAT(outcome.err, ::testing::HasSubstr(text));
}

inline nlohmann::json json_of(const Outcome& outcome) {
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return nlohmann::json::parse(outcome.out);
}

}  // namespace apiq::testing
