// The tuning file being written (data/tuning/README.md): starts as what holds for the device, and is replaced
// whole after every kernel.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apiq/tune.hpp"
#include "runtime/device.hpp"

namespace apiq::tuning {

class TuningOutput {
 public:
  /// Content: the file at `path` if there is one, else the file that serves the device now, so that what it
  /// says of kernels that are not searched keeps holding. Entries of programs and tunables that are not there
  /// any more, and those their kernels forbid, are left out. Throws FormatError, IoError.
  TuningOutput(std::filesystem::path path, const runtime::Device& device);

  /// Makes the folder of the file, in which a search keeps its state from the first trial on. Throws IoError.
  void make_folder() const;

  const runtime::TuningData& data() const { return data_; }
  /// Enters the kernel's values and gain, or removes the entry if the preset stays, and writes the file.
  void record(const TunedKernel& kernel);

 private:
  void write() const;
  std::filesystem::path path_;
  const DeviceInfo& info_;
  runtime::TuningData data_;
  nlohmann::ordered_json gains_ = nlohmann::ordered_json::object();
};

}  // namespace apiq::tuning
