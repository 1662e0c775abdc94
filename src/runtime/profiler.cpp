#include "runtime/profiler.hpp"

#include <algorithm>

#include "runtime/opencl.hpp"

namespace apiq::runtime {

namespace {
constexpr std::size_t kPendingLimit = 4096;            // events held before their times are read
constexpr std::chrono::microseconds kLargestGap{200};  // between kernels that one span of the trace covers
}  // namespace

Profiler::~Profiler() {
  for (const Launch& launch : pending_) clReleaseEvent(launch.event);
}

void Profiler::record(std::string_view name, _cl_event* event) {
  pending_.push_back(
      {std::string(name), event, trace_ != nullptr ? trace_->current_label() : Trace::kNoName});
  if (pending_.size() >= kPendingLimit) drain();
}

void Profiler::drain() {
  for (const Launch& launch : pending_) {
    const cl_event event = launch.event;
    cl_ulong begin = 0, end = 0;
    clWaitForEvents(1, &event);
    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof begin, &begin, nullptr);
    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, nullptr);
    if (trace_ != nullptr) add_to_trace(launch);
    clReleaseEvent(event);
    Row& row = totals_[launch.name];
    row.name = launch.name;
    ++row.launches;
    row.milliseconds += static_cast<double>(end - begin) * 1e-6;
  }
  pending_.clear();
}

void Profiler::add_to_trace(const Launch& launch) {
  const std::uint32_t name = launch.label != Trace::kNoName ? launch.label : trace_->name(launch.name);
  const auto [begin, end] = clock_.times(launch.event);
  if (span_.name == name && begin - span_.end < kLargestGap) {
    span_.end = end;
    return;
  }
  end_span();
  span_ = {name, begin, end};
}

void Profiler::end_span() {
  if (span_.name != Trace::kNoName) trace_->span(Trace::Lane::compute, span_.name, span_.begin, span_.end);
  span_.name = Trace::kNoName;
}

void Profiler::trace(Trace* trace, const DeviceClock& clock) {
  drain();
  if (trace_ != nullptr) end_span();
  trace_ = trace;
  clock_ = clock;
}

std::vector<Profiler::Row> Profiler::rows() {
  drain();
  std::vector<Row> out;
  for (const auto& [name, row] : totals_) out.push_back(row);
  std::sort(out.begin(), out.end(),
            [](const Row& a, const Row& b) { return a.milliseconds > b.milliseconds; });
  return out;
}

}  // namespace apiq::runtime
