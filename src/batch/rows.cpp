#include "batch/rows.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "apiq/error.hpp"
#include "batch/step_state.hpp"
#include "util/atomic_file.hpp"
#include "util/json.hpp"

namespace apiq {

namespace {

using nlohmann::json;

std::optional<std::uint64_t> whole_number(const std::map<std::string, std::string>& settings,
                                          const std::string& option) {
  const auto found = settings.find(option);
  std::uint64_t value = 0;
  if (found == settings.end()) return std::nullopt;
  const char* const end = found->second.data() + found->second.size();
  const auto parsed = std::from_chars(found->second.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(value) : std::nullopt;
}

/// Null where a number was not finite.
std::optional<double> number(const json& result, const char* key) {
  const json& value = result.at(key);
  return value.is_null() ? std::nullopt : std::optional(value.get<double>());
}

void raise(std::optional<std::uint64_t>& largest, std::uint64_t value) {
  largest = std::max(largest.value_or(0), value);
}

void add_quantize(BatchRow& row, const json& result) {
  row.method = result.at("method");
  row.bits = result.at("bits");
  const std::uint64_t group_size = result.at("group_size");
  row.group_size = group_size ? std::to_string(group_size) : "row";
  row.rank = result.at("rank");
  row.seed = result.at("seed");
  row.bits_per_weight = number(result, "bits_per_weight");
  row.adapter_bits_per_weight = number(result, "adapter_bits_per_weight");
  if (const json& blocks = result.at("blocks"); !blocks.empty())
    row.relative_error = number(blocks.back(), "relative_error");
  row.quantize_seconds = number(result, "seconds");
}

void add_eval(BatchRow& row, const json& result) {
  // A checkpoint's row has these from its own result, as they were asked for.
  if (!row.bits) row.bits = result.at("bits");
  if (const json& method = result.at("method"); method.is_string() && row.method.empty()) row.method = method;
  if (result.contains("perplexity")) row.perplexity = number(result, "perplexity");
  row.eval_seconds = number(result, "seconds");
}

}  // namespace

BatchRow planned_row(const Batch& batch, const BatchJob& job) {
  BatchRow out;
  out.job = job.name;
  out.model = job.model;
  const auto text = [&](const char* option) {
    const auto found = job.settings.find(option);
    return found == job.settings.end() ? std::string() : found->second;
  };
  out.method = text("method");
  out.group_size = text("group-size");
  out.bits = whole_number(job.settings, "bits");
  out.rank = whole_number(job.settings, "rank");
  out.seed = whole_number(job.settings, "seed");
  for (const BatchStep& step : job.steps) out.log.push_back((batch.output / (step.id + ".log")).string());
  return out;
}

void add_result(BatchRow& row, const Batch& batch, const BatchStep& step) {
  const std::filesystem::path path = step_files(batch, step).result;
  const json result = parse_json(read_file(path), path.string());
  try {
    if (step.program == "quantize") add_quantize(row, result);
    if (step.program == "eval") add_eval(row, result);
    raise(row.peak_device_bytes, result.at("peak_device_bytes"));
    raise(row.peak_host_bytes, result.at("peak_host_bytes"));
  } catch (const json::exception& error) {
    throw FormatError(path.string() + ": not the result of apiq-" + step.program + ": " + error.what());
  }
}

}  // namespace apiq
