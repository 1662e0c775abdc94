#include "runtime/queue.hpp"

#include <string>

#include "runtime/opencl.hpp"
#include "util/half.hpp"

namespace apiq::runtime {

namespace {
constexpr std::size_t kUnusedBytes = 64;  // as much as any vector load of a first element takes
}

struct Queue::State {
  cl::CommandQueue queue;
  cl::Buffer
      unused;  // what an unused pointer argument points to; a few bytes, not worth an entry in the budget
};

Queue::Queue(Device& device, bool profile)
    : state_(std::make_unique<State>()), device_(device), profiler_(profile), workspace_(device) {
  cl_int code = CL_SUCCESS;
  state_->queue = cl::CommandQueue(clCreateCommandQueue(device.cl_context(), device.cl_device(),
                                                        profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code));
  check(code, "clCreateCommandQueue");
  // The standard allows null pointers, but some drivers refuse them.
  state_->unused =
      cl::Buffer(clCreateBuffer(device.cl_context(), CL_MEM_READ_WRITE, kUnusedBytes, nullptr, &code));
  check(code, "clCreateBuffer");
}

Queue::~Queue() {
  if (state_->queue() != nullptr) clFinish(state_->queue());
}

void* Queue::handle() const { return state_->queue(); }

void Queue::launch(std::string_view program, std::string_view entry, const Macros& macros, const Range& range,
                   std::initializer_list<Arg> args) {
  if (range.global[0] * range.global[1] * range.global[2] == 0) return;
  cl_kernel kernel = device_.kernel(program, entry, macros);
  cl_uint index = 0;
  for (const Arg& arg : args) {
    cl_int code;
    if (arg.data_ != nullptr) {
      code = clSetKernelArg(kernel, index, arg.bytes_, arg.data_);
    } else {
      cl_mem memory = arg.memory_ != nullptr ? static_cast<cl_mem>(arg.memory_) : state_->unused();
      code = clSetKernelArg(kernel, index, sizeof(cl_mem), &memory);
    }
    if (code != CL_SUCCESS)
      check(code, "clSetKernelArg " + std::string(entry) + " argument " + std::to_string(index));
    ++index;
  }
  cl_event event = nullptr;
  const cl_int code =
      clEnqueueNDRangeKernel(state_->queue(), kernel, 3, nullptr, range.global.data(), range.local.data(), 0,
                             nullptr, profiler_.enabled() ? &event : nullptr);
  if (code != CL_SUCCESS) check(code, "clEnqueueNDRangeKernel " + std::string(entry));
  if (event != nullptr) profiler_.record(entry, event);
}

void Queue::write(const TensorView& view, const void* data) {
  if (view.bytes() == 0) return;
  check(clEnqueueWriteBuffer(state_->queue(), static_cast<cl_mem>(view.memory), CL_TRUE,
                             view.offset * size_of(view.dtype), view.bytes(), data, 0, nullptr, nullptr),
        "clEnqueueWriteBuffer");
}

void Queue::read(const TensorView& view, void* data) {
  if (view.bytes() == 0) return;
  check(clEnqueueReadBuffer(state_->queue(), static_cast<cl_mem>(view.memory), CL_TRUE,
                            view.offset * size_of(view.dtype), view.bytes(), data, 0, nullptr, nullptr),
        "clEnqueueReadBuffer");
}

Event Queue::start_read(const TensorView& view, void* data) {
  if (view.bytes() == 0) return {};
  cl_event event = nullptr;
  check(clEnqueueReadBuffer(state_->queue(), static_cast<cl_mem>(view.memory), CL_FALSE,
                            view.offset * size_of(view.dtype), view.bytes(), data, 0, nullptr, &event),
        "clEnqueueReadBuffer");
  Event out(event);
  check(clFlush(state_->queue()), "clFlush");
  return out;
}

void Queue::copy(const TensorView& from, const TensorView& to) {
  if (from.bytes() != to.bytes())
    throw ShapeError("[copy] " + from.shape.text() + " and " + to.shape.text() + " differ in bytes");
  if (from.bytes() == 0) return;
  check(clEnqueueCopyBuffer(state_->queue(), static_cast<cl_mem>(from.memory), static_cast<cl_mem>(to.memory),
                            from.offset * size_of(from.dtype), to.offset * size_of(to.dtype), from.bytes(), 0,
                            nullptr, nullptr),
        "clEnqueueCopyBuffer");
}

void Queue::fill_zero(const TensorView& view) {
  if (view.bytes() == 0) return;
  const cl_uchar zero = 0;
  check(clEnqueueFillBuffer(state_->queue(), static_cast<cl_mem>(view.memory), &zero, 1,
                            view.offset * size_of(view.dtype), view.bytes(), 0, nullptr, nullptr),
        "clEnqueueFillBuffer");
}

Event Queue::mark() {
  cl_event event = nullptr;
  check(clEnqueueMarkerWithWaitList(state_->queue(), 0, nullptr, &event), "clEnqueueMarkerWithWaitList");
  Event out(event);
  // What waits for the mark may be on another queue, which cannot make this one start.
  check(clFlush(state_->queue()), "clFlush");
  return out;
}

void Queue::wait_for(const Event& event) {
  const cl_event handle = event.handle();
  if (handle == nullptr) return;
  check(clEnqueueBarrierWithWaitList(state_->queue(), 1, &handle, nullptr), "clEnqueueBarrierWithWaitList");
}

void Queue::trace(Trace* trace) {
  if (!profiler_.enabled())
    throw InvalidArgument("[trace] expected a device opened with DeviceOptions::profile");
  profiler_.trace(
      trace, trace != nullptr ? DeviceClock::measure(device_.cl_context(), state_->queue()) : DeviceClock());
}

void Queue::finish() { check(clFinish(state_->queue()), "clFinish"); }

Macros operator+(Macros meaning, const Macros& tunables) {
  meaning.insert(meaning.end(), tunables.begin(), tunables.end());
  return meaning;
}

std::vector<float> read_floats(Queue& queue, const TensorView& view) {
  std::vector<float> out(view.elements());
  if (view.dtype == DType::f32) {
    queue.read(view, out.data());
  } else if (view.dtype == DType::f16) {
    std::vector<std::uint16_t> raw(view.elements());
    queue.read(view, raw.data());
    for (std::size_t i = 0; i < raw.size(); ++i) out[i] = half_to_float(raw[i]);
  } else {
    throw ShapeError("[read_floats] expected f32 or f16, got " + std::string(name_of(view.dtype)));
  }
  return out;
}

}  // namespace apiq::runtime
