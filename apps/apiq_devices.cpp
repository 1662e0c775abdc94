// apiq-devices: OpenCL platforms and devices with what we use of them; self-test and benchmark of one of
// them.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <optional>

#include "apiq/error.hpp"
#include "apiq/fast_paths.hpp"
#include "apiq/self_test.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  bool self_test = false, benchmark = false;

  template <class Visit>
  static void fields(Visit&& visit) {
    constexpr const char* kGroup = "Actions";
    visit(&Settings::self_test,
          Field{.name = "self-test",
                .help = "run every kernel variant the device would use against the CPU reference",
                .group = kGroup});
    visit(&Settings::benchmark, Field{.name = "benchmark",
                                      .help = "measure read, copy and transfer bandwidth and the matmul rate",
                                      .group = kGroup});
  }
};

void print_device(const DeviceInfo& d) {
  const auto yes = [](bool value) { return std::string(value ? "yes" : "no"); };
  std::printf("%d:%d  %s\n", d.platform_index, d.device_index, d.name.c_str());
  print_pairs({{"  platform", d.platform + ", " + d.platform_version},
               {"  device", std::string(d.is_cpu ? "CPU" : "GPU or accelerator") + ", " + d.vendor +
                                ", driver " + d.driver},
               {"  OpenCL", d.device_version + ", " + d.opencl_c_version},
               {"  compute units", std::to_string(d.compute_units) + ", work-groups up to " +
                                       std::to_string(d.max_work_group_size)},
               {"  memory", "default budget " + size_text(d.default_budget_bytes) + " (the device reports " +
                                size_text(d.reported_global_bytes) + ")"},
               {"  largest buffer", size_text(d.max_buffer_bytes) + " (the device reports " +
                                        size_text(d.reported_max_buffer_bytes) + ")"},
               {"  local memory", size_text(d.local_bytes)},
               {"  fp16 arithmetic", yes(d.has_fp16_arithmetic)},
               {"  sub-groups", yes(d.has_sub_groups)}});
}

/// "used, 3.1 to 7.9 times the portable kernel", or where and why it was refused.
std::string path_text(const FastPathReport& path) {
  double least = 0, most = 0;
  for (const FastPathSpeed& speed : path.speeds) {
    least = least == 0 ? speed.ratio : std::min(least, speed.ratio);
    most = std::max(most, speed.ratio);
  }
  const std::string range = path.speeds.empty() ? ""
                                                : ", " + decimals(least, 2) + " to " + decimals(most, 2) +
                                                      " times the portable kernel";
  if (path.used) return "accepted" + range;
  if (path.accepted) return "not used (" + path.stage + "): " + path.reason;
  return "refused (" + path.stage + "): " + path.reason;
}

/// What became of the fast paths. Only a device that some gate lets through is opened.
std::vector<FastPathReport> paths_of(const DeviceInfo& info) {
  std::vector<FastPathReport> gates = fast_path_gates(info);
  if (std::all_of(gates.begin(), gates.end(), [](const FastPathReport& path) { return !path.stage.empty(); }))
    return gates;
  try {
    Device device = Device::open(
        {.selector = std::to_string(info.platform_index) + ":" + std::to_string(info.device_index)});
    return fast_paths(device);
  } catch (const DeviceError& error) {
    for (FastPathReport& path : gates)
      if (path.stage.empty()) path.stage = "gate", path.reason = error.what();
    return gates;
  }
}

void print_paths(const DeviceReport& device, bool verbose) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const FastPathReport& path : device.fast_paths) rows.emplace_back("  " + path.path, path_text(path));
  std::printf("  fast paths\n");
  print_pairs(rows);
  for (const FastPathReport& path : device.fast_paths)
    if (verbose && !path.log.empty())
      std::fprintf(stderr, "%s: compiler log\n%s\n", path.path.c_str(), path.log.c_str());
}

std::vector<SelfTestRow> run_self_test(Program& program) {
  const std::atomic<bool>* stop = program.callbacks().stop;
  const bool prints = program.prints_tables();
  const auto rows = self_test(program.device(), [&](const SelfTestRow& row) {
    if (stop->load()) throw Interrupted("interrupted at the self-test of " + row.kernel);
    if (!prints) return;
    std::printf("%s  %s %s  error %s, allowed %s%s\n", row.passed ? "pass" : "FAIL", row.kernel.c_str(),
                row.detail.c_str(), significant(row.error, 3).c_str(), significant(row.tolerance, 3).c_str(),
                row.message.empty() ? "" : ("  " + row.message).c_str());
    std::fflush(stdout);
  });
  return rows;
}

void print_benchmark(const DeviceBenchmark& b) {
  print_pairs({{"read bandwidth", decimals(b.read_gbps, 2) + " GB/s"},
               {"copy bandwidth", decimals(b.copy_gbps, 2) + " GB/s (read plus written)"},
               {"upload", decimals(b.upload_gbps, 2) + " GB/s"},
               {"download", decimals(b.download_gbps, 2) + " GB/s"},
               {"multiply-add f32", decimals(b.multiply_add_gflops, 1) + " GFLOP/s (from registers)"},
               {"matmul f32 1024^3", decimals(b.matmul_gflops, 1) + " GFLOP/s"}});
}

int run(Program& program, const Settings& s) {
  std::vector<DeviceReport> devices;
  for (const DeviceInfo& info : list_devices()) devices.push_back({info, paths_of(info)});
  if (devices.empty()) program.device();  // throws, and says why
  if (program.prints_tables()) {
    for (const DeviceReport& device : devices) {
      print_device(device.info);
      print_paths(device, program.verbose());
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  std::vector<SelfTestRow> rows;
  std::optional<DeviceBenchmark> benchmark;
  if (s.self_test) rows = run_self_test(program);
  if (s.benchmark) {
    benchmark = benchmark_device(program.device());
    if (program.prints_tables()) print_benchmark(*benchmark);
  }
  if (program.wants_json())
    program.write_json(to_json(program.run_info(), devices, rows, benchmark ? &*benchmark : nullptr));
  std::size_t failed = 0;
  for (const SelfTestRow& row : rows) failed += !row.passed;
  if (s.self_test && program.prints_tables())
    std::printf("self-test: %zu of %zu passed\n", rows.size() - failed, rows.size());
  if (failed)
    throw DeviceError(std::to_string(failed) + " of " + std::to_string(rows.size()) +
                      " self-tests failed on " + program.device().info().name +
                      "; do not trust results of this device");
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Options options("apiq-devices", "list OpenCL devices, test and measure one of them",
                  "[--self-test] [--benchmark] [options]");
  options.fields(settings);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, settings); });
}
