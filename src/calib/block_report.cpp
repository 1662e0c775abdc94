#include "calib/block_report.hpp"

#include <cmath>
#include <cstdio>

#include "apiq/error.hpp"

namespace apiq::calib {

using nlohmann::json;

namespace {

json number_or_null(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
double number_or_nan(const json& value) { return value.is_number() ? value.get<double>() : NAN; }

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
  try {
    BlockReport r;
    r.index = in.at("index").get<std::uint32_t>();
    r.loss_first = number_or_nan(in.at("loss_first"));
    r.loss_last = number_or_nan(in.at("loss_last"));
    for (const auto& loss : in.at("losses")) r.losses.push_back(number_or_nan(loss));
    r.relative_error = number_or_nan(in.at("relative_error"));
    r.skipped_steps = in.at("skipped_steps").get<std::uint64_t>();
    for (const auto& linear : in.at("linears")) r.linears.push_back({linear.at("name").get<std::string>(), number_or_nan(linear.at("weight_error"))});
    r.resumed = true;
    return r;
  } catch (const json::exception& error) {
    throw FormatError("[report] a saved block report cannot be used: " + std::string(error.what()));
  }
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
