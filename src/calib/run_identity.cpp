#include "calib/run_identity.hpp"

#include <nlohmann/json.hpp>

#include "apiq/device_options.hpp"
#include "apiq/version.hpp"
#include "ops/fast_path/fast_path.hpp"
#include "runtime/queue.hpp"
#include "util/sha256.hpp"

namespace apiq::calib {

using nlohmann::json;

namespace {

json inputs_of(const QuantizeOptions& options, const std::map<std::string, std::string>& model_hashes) {
  json inputs = json::object();
  for (const auto& [name, hash] : model_hashes) inputs["model/" + name] = hash;
  for (std::size_t i = 0; i < options.calibration.size(); ++i)
    inputs["calibration/" + std::to_string(i) + "/" + options.calibration[i].filename().string()] =
        sha256_of_file(options.calibration[i]);
  return inputs;
}

json device_of(Device& opened) {
  const DeviceInfo& device = opened.info();
  return {{"name", device.name},
          {"vendor", device.vendor},
          {"driver", device.driver},
          {"platform", device.platform},
          {"platform_version", device.platform_version},
          {"device_version", device.device_version},
          {"compute", name_of(opened.compute())},
          {"tuning", opened.impl().tuning().fingerprint()},
          {"paths", ops::chosen_paths(opened.impl().queue())}};
}

}  // namespace

json run_identity(const QuantizeOptions& options, const std::map<std::string, std::string>& model_hashes,
                  Device& device) {
  return {{"program", "apiq-quantize"},
          {"version", version()},
          {"commit", commit()},
          {"libraries", library_versions()},
          {"device", device_of(device)},
          {"seed", options.seed},
          {"inputs", inputs_of(options, model_hashes)},
          {"environment", device.impl().environment().changing_results()}};
}

std::string way_back(const std::string& difference) {
  const auto differs = [&](const char* key) { return difference.find(key) != std::string::npos; };
  std::string out;
  if (differs("device.tuning")) out += "put the tuning file of that run back (APIQ_TUNING_DIR), ";
  if (differs("device.paths")) out += "fix the paths of that run (APIQ_FAST_PATHS, APIQ_GEMM), ";
  if (differs("device.name") || differs("device.driver")) out += "choose its device (--device), ";
  if (differs("environment.")) out += "set the environment variables as they were, ";
  return out;
}

}  // namespace apiq::calib
