#include "report/block_json.hpp"

#include <algorithm>
#include <cmath>

#include "apiq/error.hpp"
#include "apiq/phase.hpp"

namespace apiq {

using nlohmann::json;

namespace {

json number_or_null(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
double number_or_nan(const json& value) { return value.is_number() ? value.get<double>() : NAN; }

/// Sorted keys lost the order of the phases; this is the order in which a block passes them.
std::vector<std::pair<std::string, double>> phases_of(const json& phases) {
  std::vector<std::pair<std::string, double>> out;
  for (const std::string_view name : kPhaseNames)
    if (const auto found = phases.find(name); found != phases.end())
      out.emplace_back(name, number_or_nan(*found));
  for (const auto& [name, seconds] : phases.items())
    if (std::find(kPhaseNames.begin(), kPhaseNames.end(), name) == kPhaseNames.end())
      out.emplace_back(name, number_or_nan(seconds));
  return out;
}

}  // namespace

json block_to_json(const BlockReport& r) {
  json losses = json::array(), points = json::array(), linears = json::array();
  for (const double loss : r.losses) losses.push_back(number_or_null(loss));
  for (const double loss : r.curve.points) points.push_back(number_or_null(loss));
  for (const auto& linear : r.linears)
    linears.push_back({{"name", linear.name}, {"weight_error", number_or_null(linear.weight_error)}});
  return {{"index", r.index},
          {"loss_first", number_or_null(r.loss_first)},
          {"loss_last", number_or_null(r.loss_last)},
          {"losses", losses},
          {"step_losses", points},
          {"steps", r.curve.steps},
          {"steps_per_point", r.curve.steps_per_point},
          {"relative_error", number_or_null(r.relative_error)},
          {"skipped_steps", r.skipped_steps},
          {"linears", linears}};
}

BlockReport block_from_json(const json& in) {
  try {
    BlockReport r;
    r.index = in.at("index").get<std::uint32_t>();
    r.loss_first = number_or_nan(in.at("loss_first"));
    r.loss_last = number_or_nan(in.at("loss_last"));
    for (const auto& loss : in.at("losses")) r.losses.push_back(number_or_nan(loss));
    // Checkpoints of earlier versions hold no steps.
    for (const auto& loss : in.value("step_losses", json::array()))
      r.curve.points.push_back(number_or_nan(loss));
    r.curve.steps = in.value("steps", std::uint64_t{0});
    r.curve.steps_per_point = in.value("steps_per_point", 0u);
    r.relative_error = number_or_nan(in.at("relative_error"));
    r.skipped_steps = in.at("skipped_steps").get<std::uint64_t>();
    for (const auto& linear : in.at("linears"))
      r.linears.push_back({linear.at("name").get<std::string>(), number_or_nan(linear.at("weight_error"))});
    r.resumed = in.value("resumed", false);
    r.seconds = in.value("seconds", 0.0);
    r.phases = phases_of(in.value("phases", json::object()));
    r.wait_seconds = in.value("wait_seconds", 0.0);
    r.device_bytes = in.value("peak_device_bytes", std::uint64_t{0});
    r.host_bytes = in.value("peak_host_bytes", std::uint64_t{0});
    return r;
  } catch (const json::exception& error) {
    throw FormatError("[report] a saved block report cannot be used: " + std::string(error.what()));
  }
}

}  // namespace apiq
