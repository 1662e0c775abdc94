// A tuned kernel as JSON: in apiq-tune's result and in the state of an unfinished tuning.
#pragma once
#include "apiq/tune.hpp"
#include "report/common_json.hpp"

namespace apiq {

Json kernel_json(const TunedKernel& kernel);
/// Throws nlohmann::json::exception.
TunedKernel kernel_from_json(const Json& json);

}  // namespace apiq
