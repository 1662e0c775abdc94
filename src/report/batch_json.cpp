// The table of a batch as JSON; the same values as its CSV.
#include "report/common_json.hpp"

namespace apiq {

namespace {

template <class T>
Json nullable(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json nullable(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json row_json(const BatchRow& row) {
  return {{"job", row.job},
          {"model", row.model},
          {"method", nullable(row.method)},
          {"bits", nullable(row.bits)},
          {"group_size", nullable(row.group_size)},
          {"rank", nullable(row.rank)},
          {"seed", nullable(row.seed)},
          {"perplexity", nullable(row.perplexity)},
          {"bits_per_weight", nullable(row.bits_per_weight)},
          {"adapter_bits_per_weight", nullable(row.adapter_bits_per_weight)},
          {"relative_error", nullable(row.relative_error)},
          {"quantize_seconds", nullable(row.quantize_seconds)},
          {"eval_seconds", nullable(row.eval_seconds)},
          {"peak_device_bytes", nullable(row.peak_device_bytes)},
          {"peak_host_bytes", nullable(row.peak_host_bytes)},
          {"status", status_name(row.status)},
          {"error", nullable(row.error)},
          {"logs", row.log}};
}

}  // namespace

std::string to_json(const RunInfo& run, const BatchResult& result) {
  Json out = common_json(run);
  out["failed"] = result.failed;
  out["interrupted"] = result.interrupted;
  out["jobs"] = Json::array();
  for (const BatchRow& row : result.rows) out["jobs"].push_back(row_json(row));
  return text_of(out);
}

}  // namespace apiq
