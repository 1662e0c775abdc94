// Tensors on their way to a Python program: files of little-endian f32 in a folder, and index.json with their
// names and shapes.
#pragma once
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "cases/device_fixture.hpp"

namespace apiq::testing {

class Dump {
 public:
  explicit Dump(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void write(const std::string& name, const runtime::TensorView& view) {
    const std::vector<float> values = runtime::read_floats(shared_queue(), view);
    std::ofstream file(folder_ / (name + ".f32"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
    if (!file.flush()) throw std::runtime_error("cannot write " + name);
    for (int i = 0; i < view.shape.rank(); ++i) index_["tensors"][name].push_back(view.shape[i]);
  }
  /// What else the program has to know.
  void finish(const nlohmann::json& values) {
    index_.update(values);
    std::ofstream(folder_ / "index.json") << index_.dump(1) << "\n";
  }

 private:
  std::filesystem::path folder_;
  nlohmann::json index_;
};

/// Runs dump(MODEL_FOLDER, OUTPUT_FOLDER) of a program's arguments; its exit status.
template <class Function>
int dump_main(int argc, char** argv, const char* program, const Function& dump) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL_FOLDER OUTPUT_FOLDER\n", program);
    return 2;
  }
  try {
    dump(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 1;
  }
}

}  // namespace apiq::testing
