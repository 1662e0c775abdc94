#include "runtime/device.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <unordered_map>

#include "apiq/error.hpp"
#include "runtime/device_list.hpp"
#include "runtime/install_paths.hpp"
#include "runtime/opencl.hpp"
#include "runtime/pocl_settings.hpp"
#include "runtime/program_cache.hpp"
#include "runtime/queue.hpp"
#include "util/sha256.hpp"
#include "util/text.hpp"

namespace apiq::runtime {

namespace {

constexpr std::string_view kCacheVersion = "1";  // raise when the meaning of a cache entry changes

/// The first line of a compiler log that names an error, without the clutter around it.
std::string first_error(const std::string& log) {
  const auto at = log.find("error");
  if (at == std::string::npos) return log.substr(0, log.find('\n'));
  const auto begin = log.rfind('\n', at);
  const auto from = begin == std::string::npos ? 0 : begin + 1;
  return log.substr(from, log.find('\n', at) - from);
}

std::string build_log(cl_program program, cl_device_id device) {
  std::size_t size = 0;
  clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size);
  std::string log(size, '\0');
  if (size != 0) clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, size, log.data(), nullptr);
  while (!log.empty() && log.back() == '\0') log.pop_back();
  return log;
}

/// "-cl-std=CL1.2 -D ..." and what the user adds for a vendor's compiler through APIQ_BUILD_OPTIONS.
std::string full_options(const std::string& options, const Environment& environment) {
  std::string text = "-cl-std=CL1.2 " + options;
  if (!environment.build_options.empty()) text += " " + environment.build_options;
  return text;
}

}  // namespace

namespace {

/// A kernel that was asked for before. Launches are many and programs few, so it is found without spelling
/// its options out.
struct KnownKernel {
  std::string program, entry;
  std::vector<std::pair<std::string, int>> macros;
  cl_kernel kernel;  // owned by the table of all kernels

  bool is(std::string_view other_program, std::string_view other_entry, const Macros& other) const {
    return program == other_program && entry == other_entry &&
           std::equal(
               macros.begin(), macros.end(), other.begin(), other.end(),
               [](const auto& a, const auto& b) { return a.second == b.second && a.first == b.first; });
  }
};

std::size_t hash_of(std::string_view program, std::string_view entry, const Macros& macros) {
  std::size_t hash = std::hash<std::string_view>{}(program) ^ 3 * std::hash<std::string_view>{}(entry);
  for (const auto& [name, value] : macros)
    hash = (hash ^ static_cast<std::size_t>(value)) * 0x100000001b3;  // names come in a fixed order
  return hash;
}

}  // namespace

struct Device::State {
  explicit State(const std::filesystem::path& cache_folder) : cache(cache_folder) {}

  cl::Context context;
  cl_device_id device = nullptr;
  cl::CommandQueue map_queue;  // made at first use
  ProgramCache cache;
  std::map<std::string, cl::Program, std::less<>> programs;  // "gemm -D ..." -> built
  std::map<std::string, cl::Kernel, std::less<>> kernels;    // "entry|gemm -D ..."
  std::unordered_multimap<std::size_t, KnownKernel> known;   // the same by hash_of

  cl::Program build(const std::string& name, const std::string& source, const std::string& options,
                    const DeviceInfo& info, const Environment& environment, bool cached);
  cl::Program from_binary(const std::string& binary, const std::string& options) const;
  static std::string binary_of(const cl::Program& program);
};

cl::Program Device::State::from_binary(const std::string& binary, const std::string& options) const {
  const auto* bytes = reinterpret_cast<const unsigned char*>(binary.data());
  const std::size_t size = binary.size();
  cl_int status = CL_SUCCESS, code = CL_SUCCESS;
  cl::Program program(clCreateProgramWithBinary(context(), 1, &device, &size, &bytes, &status, &code));
  if (code != CL_SUCCESS || status != CL_SUCCESS) return {};
  return clBuildProgram(program(), 1, &device, options.c_str(), nullptr, nullptr) == CL_SUCCESS
             ? program
             : cl::Program();
}

std::string Device::State::binary_of(const cl::Program& program) {
  std::size_t size = 0;
  if (clGetProgramInfo(program(), CL_PROGRAM_BINARY_SIZES, sizeof size, &size, nullptr) != CL_SUCCESS ||
      size == 0)
    return {};
  std::string binary(size, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(binary.data());
  return clGetProgramInfo(program(), CL_PROGRAM_BINARIES, sizeof bytes, &bytes, nullptr) == CL_SUCCESS
             ? binary
             : std::string();
}

cl::Program Device::State::build(const std::string& name, const std::string& source,
                                 const std::string& options, const DeviceInfo& info,
                                 const Environment& environment, bool cached) {
  const std::string all = full_options(options, environment);
  std::string key;
  if (cached) {
    Sha256 hash;
    for (const std::string_view part :
         {kCacheVersion, std::string_view(source), std::string_view(all), std::string_view(info.name),
          std::string_view(info.device_version), std::string_view(info.driver),
          std::string_view(info.platform), std::string_view(info.platform_version)})
      hash.update(std::to_string(part.size())).update(":").update(part);
    key = hash.hex();
    if (const auto binary = cache.load(key))
      if (cl::Program program = from_binary(*binary, all); program() != nullptr) return program;
  }
  const char* text = source.c_str();
  const std::size_t size = source.size();
  cl_int code = CL_SUCCESS;
  cl::Program program(clCreateProgramWithSource(context(), 1, &text, &size, &code));
  check(code, "clCreateProgramWithSource " + name);
  code = clBuildProgram(program(), 1, &device, all.c_str(), nullptr, nullptr);
  if (code != CL_SUCCESS) {
    const std::string log = build_log(program(), device);
    throw BuildError("[build] kernel '" + name + "' with options '" + all + "' was refused by " + info.name +
                         " (" + std::string(error_name(code)) + "): " + first_error(log) +
                         pocl_cache_trouble(info, environment),
                     log);
  }
  if (cached)
    if (const std::string binary = binary_of(program); !binary.empty()) cache.store(key, binary);
  return program;
}

std::unique_ptr<Device> Device::open(const DeviceOptions& options) {
  FoundDevice found = choose_device(find_devices(), options.selector);
  Environment environment = Environment::read();
  environment.check();
  auto state = std::make_unique<State>(cache_folder(environment));
  state->device = found.id;
  cl_int code = CL_SUCCESS;
  state->context = cl::Context(clCreateContext(nullptr, 1, &found.id, nullptr, nullptr, &code));
  check(code, "clCreateContext on " + found.info.name);
  return std::unique_ptr<Device>(
      new Device(std::move(state), std::move(found.info), found.matching, std::move(environment), options));
}

Device::Device(std::unique_ptr<State> state, DeviceInfo info, unsigned matching, Environment environment,
               const DeviceOptions& options)
    : state_(std::move(state)),
      info_(std::move(info)),
      matching_(matching),
      environment_(std::move(environment)),
      budget_(options.memory_bytes != 0 ? options.memory_bytes : info_.default_budget_bytes),
      tuning_(info_, environment_),
      compute_(options.compute),
      queue_(std::make_unique<Queue>(*this, options.profile)) {}

Device::~Device() = default;

_cl_kernel* Device::kernel(std::string_view program, std::string_view entry, const Macros& macros) {
  const std::size_t hash = hash_of(program, entry, macros);
  for (auto [at, end] = state_->known.equal_range(hash); at != end; ++at)
    if (at->second.is(program, entry, macros)) return at->second.kernel;
  cl_kernel kernel = built_kernel(program, entry, macros);
  state_->known.emplace(
      hash, KnownKernel{std::string(program), std::string(entry), {macros.begin(), macros.end()}, kernel});
  return kernel;
}

_cl_kernel* Device::built_kernel(std::string_view program, std::string_view entry, const Macros& macros) {
  const std::string options = option_text(macros);
  const std::string program_key = std::string(program) + " " + options;
  const std::string kernel_key = std::string(entry) + "|" + program_key;
  if (const auto found = state_->kernels.find(kernel_key); found != state_->kernels.end())
    return found->second();
  auto built = state_->programs.find(program_key);
  if (built == state_->programs.end()) {
    const std::string name(program);
    built = state_->programs
                .emplace(program_key, state_->build(name, joined_source(kernel_spec(program)), options, info_,
                                                    environment_, true))
                .first;
  }
  cl_int code = CL_SUCCESS;
  cl::Kernel kernel(clCreateKernel(built->second(), std::string(entry).c_str(), &code));
  check(code, "clCreateKernel " + std::string(entry));
  return state_->kernels.emplace(kernel_key, std::move(kernel)).first->second();
}

void Device::probe_build(const std::string& source, const std::string& options) {
  state_->build("probe", source, options, info_, environment_, false);
}

_cl_context* Device::cl_context() const { return state_->context(); }
_cl_device_id* Device::cl_device() const { return state_->device; }

_cl_command_queue* Device::map_queue() {
  if (state_->map_queue() == nullptr) {
    cl_int code = CL_SUCCESS;
    state_->map_queue = cl::CommandQueue(clCreateCommandQueue(state_->context(), state_->device, 0, &code));
    check(code, "clCreateCommandQueue");
  }
  return state_->map_queue();
}

}  // namespace apiq::runtime

namespace apiq {

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> out;
  for (auto& found : runtime::find_devices().devices) out.push_back(std::move(found.info));
  return out;
}

std::string default_device_selector() {
  const std::string chosen = Environment::read().device;
  return chosen.empty() ? "auto" : chosen;
}

Device Device::open(const DeviceOptions& options) { return Device(runtime::Device::open(options)); }
Device::Device(std::shared_ptr<runtime::Device> impl) : impl_(std::move(impl)) {}
Device::~Device() = default;
Device::Device(Device&&) noexcept = default;
Device& Device::operator=(Device&&) noexcept = default;

const DeviceInfo& Device::info() const { return impl_->info(); }
unsigned Device::matching() const { return impl_->matching(); }
Compute Device::compute() const { return impl_->compute(); }
std::uint64_t Device::budget_bytes() const { return impl_->budget().limit_bytes(); }
std::uint64_t Device::peak_bytes() const { return impl_->budget().peak_bytes(); }

std::string Device::profile_report() const {
  std::string out;
  for (const auto& row : impl_->queue().profiler().rows()) {
    char line[160];
    std::snprintf(line, sizeof line, "%-28s %9llu launches %12.3f ms\n", row.name.c_str(),
                  static_cast<unsigned long long>(row.launches), row.milliseconds);
    out += line;
  }
  return out;
}

}  // namespace apiq
