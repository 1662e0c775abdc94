// What determines the bytes of a run's result: its identity, which the journal compares before it goes on and
// which a checkpoint keeps as its provenance (docs/work-directory.md, docs/checkpoint-format.md).
#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "apiq/device.hpp"
#include "apiq/quantize.hpp"

namespace apiq::calib {

/// Program and libraries, hashes of the inputs, and everything about the device that can change a last bit:
/// driver, --compute, the content of its tuning (not where it was found), which engines and fast paths take
/// which products, and environment variables. Everything but the options. model_hashes: of the model's files
/// (ModelDirectory::check_and_hash). Decides about fast paths if that was not done, and reads the texts.
nlohmann::json run_identity(const QuantizeOptions& options,
                            const std::map<std::string, std::string>& model_hashes, Device& device);

/// How a run that differs in these keys (identity_difference) gets back what it had, in a few words to put
/// before "use --restart"; "" where there is no way.
std::string way_back(const std::string& difference);

}  // namespace apiq::calib
