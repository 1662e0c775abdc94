// One measurement as one JSON object on a line. The keys are a contract: perf/README.md lists them,
// scripts/perf_report reads them.
#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "apiq/device.hpp"
#include "timing.hpp"

namespace apiq::perf {

/// `limit` in the unit of what it limits: GB/s if the name says bandwidth, else GFLOP/s; 0: not known.
struct Result {
  std::string benchmark, name;
  Timing ours;
  double bytes = 0, flops = 0;  // per call: least traffic (each operand once), arithmetic
  std::string limit_name;       // "fp32 matmul rate" limits flops, "read bandwidth" limits bytes
  double limit = 0;
  std::string rival;  // empty: none
  Timing rivals;
};

/// The line of a result, with device, version, commit, command and date.
nlohmann::ordered_json to_json(const Result& result, const DeviceInfo& device);

/// Lines go to this file from now on (appended) instead of standard output. Exits with 1 if it cannot be
/// opened.
void set_output(const std::filesystem::path& file);

void print(const Result& result, const DeviceInfo& device);
/// A line of a caller's making, from to_json() with keys added.
void print_line(const nlohmann::ordered_json& line);

}  // namespace apiq::perf
