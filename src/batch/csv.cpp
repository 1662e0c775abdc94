// The table of a batch as comma-separated values.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apiq/batch.hpp"

namespace apiq {

namespace {

/// RFC 4180: quoted where a comma, quote or line end would be misread.
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string cell(const std::optional<std::uint64_t>& value) { return value ? std::to_string(*value) : ""; }
std::string cell(const std::optional<double>& value) {
  return value ? nlohmann::json(*value).dump() : "";
}  // reads back the same

}  // namespace

std::string to_csv(const BatchResult& result) {
  std::string out =
      "job,model,method,bits,group_size,rank,seed,perplexity,bits_per_weight,adapter_bits_per_weight,"
      "relative_error,quantize_seconds,"
      "eval_seconds,peak_device_bytes,peak_host_bytes,status,error";
  for (const BatchRow& r : result.rows) {
    const std::string cells[] = {cell(r.job),
                                 cell(r.model),
                                 cell(r.method),
                                 cell(r.bits),
                                 cell(r.group_size),
                                 cell(r.rank),
                                 cell(r.seed),
                                 cell(r.perplexity),
                                 cell(r.bits_per_weight),
                                 cell(r.adapter_bits_per_weight),
                                 cell(r.relative_error),
                                 cell(r.quantize_seconds),
                                 cell(r.eval_seconds),
                                 cell(r.peak_device_bytes),
                                 cell(r.peak_host_bytes),
                                 status_name(r.status),
                                 cell(r.error)};
    for (const std::string& text : cells) out += (&text == cells ? "\n" : ",") + text;
  }
  return out;
}

}  // namespace apiq
