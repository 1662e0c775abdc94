// What a user can say about the device, as fields.
#pragma once
#include <array>
#include <string_view>

#include "apiq/device.hpp"
#include "apiq/fields.hpp"

namespace apiq {

constexpr std::array<std::string_view, 4> names_of(Compute) { return {"auto", "f32", "bf16", "f16"}; }

/// DeviceOptions but for `profile`, which programs decide themselves.
struct ListedDeviceOptions : DeviceOptions {
  template <class Visit>
  static void fields(Visit&& visit) {
    constexpr const char* kGroup = "Device and memory";
    visit(&DeviceOptions::selector,
          Field{.name = "device",
                .placeholder = "SEL",
                .help =
                    "auto, gpu, cpu, P:D (platform and device index) or part of the name of a device, vendor "
                    "or platform; $APIQ_DEVICE sets the default",
                .group = kGroup});
    visit(&DeviceOptions::memory_bytes, Field{.name = "device-memory",
                                              .placeholder = "SIZE",
                                              .help = "hard budget for device memory, e.g. 8GiB",
                                              .group = kGroup,
                                              .default_words = "what apiq-devices shows",
                                              .unit = Unit::bytes});
    visit(&DeviceOptions::compute,
          Field{.name = "compute",
                .placeholder = "TYPE",
                .help = "what inputs of large products may be rounded to where the device has a matrix unit",
                .group = kGroup,
                .default_words = "auto: bf16 in calibration, f16 in evaluation"});
  }
};

}  // namespace apiq
