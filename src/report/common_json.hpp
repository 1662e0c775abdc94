// What every result begins with, and how results become text.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "apiq/result.hpp"

namespace apiq {

using Json = nlohmann::ordered_json;  // keys in the order they are written

/// The keys that docs/cli.md promises of every program.
Json common_json(const RunInfo& run);

/// Indented; numbers that are not finite become null.
std::string text_of(const Json& json);

}  // namespace apiq
