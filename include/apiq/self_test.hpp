// Runs every kernel a device would use against the fp64 reference, and measures what the device can do.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "apiq/device.hpp"

namespace apiq {

struct SelfTestRow {
  std::string kernel, detail;  // "qgemv", "bits 2, group 64, rank 16"
  bool passed = false;
  double error = 0, tolerance = 0;
  std::string message;  // of an exception (a refused build, say)
};

/// One row per kernel variant; on_row is called as each finishes.
std::vector<SelfTestRow> self_test(Device& device,
                                   const std::function<void(const SelfTestRow&)>& on_row = {});

struct DeviceBenchmark {
  double read_gbps = 0, copy_gbps = 0, upload_gbps = 0, download_gbps = 0;  // 1e9 bytes per second
  double multiply_add_gflops = 0;  // f32, from registers: what arithmetic alone could reach
  double matmul_gflops = 0;        // dense f32, 1024^3
};
DeviceBenchmark benchmark_device(Device& device);

}  // namespace apiq
