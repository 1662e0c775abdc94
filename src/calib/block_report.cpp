#include "calib/block_report.hpp"

#include <cmath>
#include <cstdio>

#include "report/block_json.hpp"

namespace apiq::calib {

using nlohmann::json;

namespace {

json number_or_null(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

}  // namespace

json block_report_json(const BlockReport& r) {
  json losses = json::array(), linears = json::array();
  for (const double loss : r.losses) losses.push_back(number_or_null(loss));
  for (const auto& linear : r.linears) linears.push_back({{"name", linear.name}, {"weight_error", number_or_null(linear.weight_error)}});
  return {{"index", r.index},  {"loss_first", number_or_null(r.loss_first)},         {"loss_last", number_or_null(r.loss_last)},
          {"losses", losses},  {"relative_error", number_or_null(r.relative_error)}, {"skipped_steps", r.skipped_steps},
          {"linears", linears}};
}

BlockReport parse_block_report(const json& in) {
  BlockReport report = block_from_json(in);
  report.resumed = true;
  return report;
}

std::string block_line(const BlockReport& block, std::uint32_t num_blocks) {
  char part[64];
  std::string line = "block " + std::to_string(block.index + 1) + "/" + std::to_string(num_blocks);
  const auto append = [&](const char* format, auto... values) {
    std::snprintf(part, sizeof part, format, values...);
    line += part;
  };
  if (std::isfinite(block.loss_last)) append("  loss %.4e -> %.4e", block.loss_first, block.loss_last);
  if (std::isfinite(block.relative_error)) append("  relative output error %.4e", block.relative_error);
  append("  %.1f s", block.seconds);
  if (block.resumed) line += "  (solved before)";
  return line;
}

}  // namespace apiq::calib
