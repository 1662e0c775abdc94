#include "runtime/profiler.hpp"

#include <algorithm>

#include "runtime/opencl.hpp"

namespace apiq::runtime {

namespace {
constexpr std::size_t kPendingLimit = 4096;  // events held before their times are read
}

Profiler::~Profiler() {
  for (auto& [name, event] : pending_) clReleaseEvent(event);
}

void Profiler::record(std::string_view name, _cl_event* event) {
  pending_.emplace_back(name, event);
  if (pending_.size() >= kPendingLimit) drain();
}

void Profiler::drain() {
  for (auto& [name, event] : pending_) {
    cl_ulong begin = 0, end = 0;
    clWaitForEvents(1, &event);
    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof begin, &begin, nullptr);
    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, nullptr);
    clReleaseEvent(event);
    Row& row = totals_[name];
    row.name = name;
    ++row.launches;
    row.milliseconds += static_cast<double>(end - begin) * 1e-6;
  }
  pending_.clear();
}

std::vector<Profiler::Row> Profiler::rows() {
  drain();
  std::vector<Row> out;
  for (const auto& [name, row] : totals_) out.push_back(row);
  std::sort(out.begin(), out.end(), [](const Row& a, const Row& b) { return a.milliseconds > b.milliseconds; });
  return out;
}

}  // namespace apiq::runtime
