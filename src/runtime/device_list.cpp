#include "runtime/device_list.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <tuple>

#include "apiq/error.hpp"
#include "runtime/opencl.hpp"
#include "runtime/pocl_settings.hpp"
#include "util/text.hpp"

namespace apiq::runtime {

namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\0' || std::isspace(static_cast<unsigned char>(text.back()))))
    text.pop_back();
  return text;
}

std::uint64_t physical_memory_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
}

/// A number that a vendor's extension offers; 0 where the extension is missing or the driver does not answer.
unsigned vendor_number(const cl::Device& device, const DeviceInfo& info, const char* extension,
                       cl_device_info name) {
  cl_uint value = 0;
  if (info.extensions.find(extension) == std::string::npos) return 0;
  return clGetDeviceInfo(device(), name, sizeof value, &value, nullptr) == CL_SUCCESS ? value : 0;
}

std::vector<unsigned> intel_sub_group_sizes(const cl::Device& device, const DeviceInfo& info) {
  constexpr cl_device_info kSubGroupSizesIntel = 0x4108;
  std::size_t bytes = 0;
  if (info.extensions.find("cl_intel_required_subgroup_size") == std::string::npos ||
      clGetDeviceInfo(device(), kSubGroupSizesIntel, 0, nullptr, &bytes) != CL_SUCCESS)
    return {};
  std::vector<std::size_t> sizes(bytes / sizeof(std::size_t));
  if (clGetDeviceInfo(device(), kSubGroupSizesIntel, bytes, sizes.data(), nullptr) != CL_SUCCESS) return {};
  std::sort(sizes.begin(), sizes.end());
  return {sizes.begin(), sizes.end()};
}

/// 0 before OpenCL 2.1, which has no such question.
unsigned max_sub_groups(const cl::Device& device) {
  constexpr cl_device_info kMaxNumSubGroups = 0x105C;
  cl_uint value = 0;
  return clGetDeviceInfo(device(), kMaxNumSubGroups, sizeof value, &value, nullptr) == CL_SUCCESS ? value : 0;
}

/// What the gates of fast paths look at beside names and extensions.
void describe_vendor(const cl::Device& device, DeviceInfo& info) {
  constexpr cl_device_info kCapabilityMajorNv = 0x4000, kCapabilityMinorNv = 0x4001,
                           kWavefrontWidthAmd = 0x4043;
  constexpr const char* kNvidia = "cl_nv_device_attribute_query";
  info.compute_capability = 10 * vendor_number(device, info, kNvidia, kCapabilityMajorNv) +
                            vendor_number(device, info, kNvidia, kCapabilityMinorNv);
  info.wavefront_width = vendor_number(device, info, "cl_amd_device_attribute_query", kWavefrontWidthAmd);
  info.sub_group_sizes = intel_sub_group_sizes(device, info);
}

DeviceInfo describe(const cl::Platform& platform, const cl::Device& device) {
  DeviceInfo info;
  info.name = trimmed(device.getInfo<CL_DEVICE_NAME>());
  info.vendor = trimmed(device.getInfo<CL_DEVICE_VENDOR>());
  info.driver = trimmed(device.getInfo<CL_DRIVER_VERSION>());
  info.platform = trimmed(platform.getInfo<CL_PLATFORM_NAME>());
  info.platform_version = trimmed(platform.getInfo<CL_PLATFORM_VERSION>());
  info.device_version = trimmed(device.getInfo<CL_DEVICE_VERSION>());
  info.opencl_c_version = trimmed(device.getInfo<CL_DEVICE_OPENCL_C_VERSION>());
  info.extensions = trimmed(device.getInfo<CL_DEVICE_EXTENSIONS>());
  info.is_cpu = (device.getInfo<CL_DEVICE_TYPE>() & CL_DEVICE_TYPE_CPU) != 0;
  info.shares_host_memory = device.getInfo<CL_DEVICE_HOST_UNIFIED_MEMORY>() != CL_FALSE;
  info.compute_units = device.getInfo<CL_DEVICE_MAX_COMPUTE_UNITS>();
  info.native_float_width = device.getInfo<CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT>();
  info.reported_global_bytes = device.getInfo<CL_DEVICE_GLOBAL_MEM_SIZE>();
  info.reported_max_buffer_bytes = device.getInfo<CL_DEVICE_MAX_MEM_ALLOC_SIZE>();
  info.local_bytes = device.getInfo<CL_DEVICE_LOCAL_MEM_SIZE>();
  info.max_work_group_size = device.getInfo<CL_DEVICE_MAX_WORK_GROUP_SIZE>();
  derive_limits(info, physical_memory_bytes(), max_sub_groups(device));
  describe_vendor(device, info);
  return info;
}

std::string listing(const std::vector<FoundDevice>& devices) {
  std::string out;
  for (const auto& d : devices)
    out += (out.empty() ? "" : ", ") + std::to_string(d.info.platform_index) + ":" +
           std::to_string(d.info.device_index) + " " + d.info.name;
  return out;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool contains(const std::string& text, const std::string& lower_part) {
  return lower(text).find(lower_part) != std::string::npos;
}

bool is_pocl(const DeviceInfo& info) { return contains(info.platform, "portable computing language"); }

/// PoCL's name is in its version only: "OpenCL 3.0 PoCL 3.1".
bool platform_matches(const DeviceInfo& info, const std::string& selector) {
  return contains(info.platform, selector) || contains(info.platform_version, selector);
}

/// `selector` in lower case.
bool matches(const DeviceInfo& info, const std::string& selector) {
  if (selector == "auto") return true;
  if (selector == "gpu") return !info.is_cpu;
  if (selector == "cpu") return info.is_cpu;
  if (selector == std::to_string(info.platform_index) + ":" + std::to_string(info.device_index)) return true;
  return contains(info.name, selector) || contains(info.vendor, selector) || platform_matches(info, selector);
}

bool is_keyword(const std::string& selector) {
  return selector == "auto" || selector == "gpu" || selector == "cpu";
}

auto rank(const DeviceInfo& info, const std::string& selector, unsigned host_cores) {
  const unsigned units =
      info.is_cpu && host_cores != 0 ? std::min(info.compute_units, host_cores) : info.compute_units;
  return std::tuple(!contains(info.name, "llvmpipe"), !info.is_cpu, !info.shares_host_memory,
                    !is_keyword(selector) && platform_matches(info, selector), units, is_pocl(info));
}

[[noreturn]] void refuse_empty(const std::vector<std::string>& silent) {
  if (silent.empty())
    throw Unsupported(
        "[device] no OpenCL device found; install a driver (pocl-opencl-icd for the CPU, or the GPU "
        "vendor's) and check with apiq-devices");
  throw Unsupported(
      "[device] no OpenCL device found; installed, but without a device: " + join(silent, ", ") +
      "; a driver needs memory and a folder it can write to (HOME; for PoCL: POCL_CACHE_DIR)");
}

}  // namespace

void derive_limits(DeviceInfo& info, std::uint64_t host_memory_bytes, unsigned max_sub_groups) {
  // A CPU device shares the host's memory and reports sizes that have nothing to do with it.
  info.default_budget_bytes = info.is_cpu ? host_memory_bytes / 2 : info.reported_global_bytes / 10 * 9;
  // Any driver may refuse a buffer larger than it reports.
  info.max_buffer_bytes = info.reported_max_buffer_bytes;
  info.has_fp16_arithmetic = info.extensions.find("cl_khr_fp16") != std::string::npos;
  // cl_khr_subgroups was an extension of OpenCL 2; version 3 made it a feature with extensions of its own
  // (cl_khr_subgroup_shuffle and the like).
  info.has_sub_groups = max_sub_groups != 0 || info.extensions.find("cl_khr_subgroup") != std::string::npos;
}

DeviceSearch find_devices() {
  set_up_pocl_once();
  DeviceSearch out;
  out.host_cores = static_cast<unsigned>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 0l));
  std::vector<cl::Platform> platforms;
  cl::Platform::get(&platforms);  // an error means that no driver is installed: an empty list
  for (std::size_t p = 0; p < platforms.size(); ++p) {
    std::vector<cl::Device> devices;
    const cl_int code = platforms[p].getDevices(CL_DEVICE_TYPE_ALL, &devices);
    if (devices.empty())
      out.silent.push_back(trimmed(platforms[p].getInfo<CL_PLATFORM_NAME>()) + " (" +
                           std::string(error_name(code)) + ")");
    for (std::size_t d = 0; d < devices.size(); ++d) {
      FoundDevice found{describe(platforms[p], devices[d]), devices[d]()};
      found.info.platform_index = static_cast<int>(p);
      found.info.device_index = static_cast<int>(d);
      out.devices.push_back(std::move(found));
    }
  }
  return out;
}

FoundDevice choose_device(const DeviceSearch& search, const std::string& selector) {
  if (search.devices.empty()) refuse_empty(search.silent);
  const std::string wanted = lower(selector);
  // As text a number would match whatever has that digit somewhere, "avx512" say.
  if (wanted.find_first_not_of("0123456789") == std::string::npos)
    throw InvalidArgument("[device] --device '" + selector + "': expected P:D (platform and device index), " +
                          "or more of a name than a number; there are: " + listing(search.devices));
  const FoundDevice* best = nullptr;
  unsigned matching = 0;
  for (const FoundDevice& device : search.devices) {
    if (!matches(device.info, wanted)) continue;
    ++matching;
    if (best == nullptr ||
        rank(device.info, wanted, search.host_cores) > rank(best->info, wanted, search.host_cores))
      best = &device;
  }
  if (best == nullptr)
    throw Unsupported("[device] nothing matches --device '" + selector +
                      "'; there are: " + listing(search.devices));
  FoundDevice out = *best;
  out.matching = matching;
  return out;
}

}  // namespace apiq::runtime
