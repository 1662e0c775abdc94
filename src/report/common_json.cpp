#include "report/common_json.hpp"

#include "apiq/device_options.hpp"
#include "apiq/fast_paths.hpp"
#include "apiq/version.hpp"

namespace apiq {

Json common_json(const RunInfo& run) {
  Json out = {
      {"program", run.program}, {"version", version()}, {"commit", commit()}, {"command", run.command}};
  out["device"] = nullptr;
  if (run.device) {
    const DeviceInfo& d = run.device->info();
    out["device"] = {{"name", d.name},
                     {"vendor", d.vendor},
                     {"driver", d.driver},
                     {"platform", d.platform},
                     {"compute", name_of(run.device->compute())},
                     {"fast_paths", fast_paths_used(*run.device)}};
  }
  out["seed"] = run.seed;
  out["seconds"] = run.seconds;
  out["peak_device_bytes"] = run.device ? run.device->peak_bytes() : 0;
  out["peak_host_bytes"] = peak_host_bytes();
  return out;
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false,
                   Json::error_handler_t::replace);  // a generated text may end inside a character
}

}  // namespace apiq
