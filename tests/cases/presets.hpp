// The device under both presets: every kernel must be right with the CPU's tunables and with the GPU's,
// whatever it runs on here.
#pragma once
#include <array>
#include <cstdlib>
#include <string>

#include "cases/device_fixture.hpp"

namespace apiq::testing {

/// A device opened with one preset ("cpu" or "gpu"), and tensors on it.
class PresetDevice {
 public:
  explicit PresetDevice(const char* preset) : device_(open(preset)) {}

  runtime::Device& device() const { return *device_; }
  runtime::Queue& queue() const { return device_->queue(); }

  runtime::DeviceTensor tensor(const Shape& shape, DType dtype = DType::f32) const {
    return runtime::DeviceTensor(*device_, dtype, shape, "test tensor");
  }

  /// f16: rounded to nearest even.
  runtime::DeviceTensor upload(const std::vector<float>& values, const Shape& shape,
                               DType dtype = DType::f32) const {
    auto out = tensor(shape, dtype);
    if (dtype == DType::f32) {
      queue().write(out, values.data());
    } else {
      std::vector<std::uint16_t> raw(values.size());
      for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = float_to_half(values[i]);
      queue().write(out, raw.data());
    }
    return out;
  }

  runtime::DeviceTensor upload(const std::vector<std::uint32_t>& values, const Shape& shape) const {
    auto out = tensor(shape, DType::u32);
    queue().write(out, values.data());
    return out;
  }

  std::vector<float> download(const runtime::TensorView& view) const {
    return runtime::read_floats(queue(), view);
  }

 private:
  static std::unique_ptr<runtime::Device> open(const char* preset) {
    ::setenv("APIQ_PRESET", preset, 1);
    DeviceOptions options;
    if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
    auto device = runtime::Device::open(options);
    ::unsetenv("APIQ_PRESET");
    return device;
  }
  std::unique_ptr<runtime::Device> device_;
};

inline PresetDevice& preset_device(const std::string& preset) {
  static std::array<PresetDevice, 2> devices{PresetDevice("cpu"), PresetDevice("gpu")};
  return devices[preset == "gpu" ? 1 : 0];
}

/// Relative error of one rounding to the storage type (half an ulp); f32 arithmetic rounds by 2^-24.
inline double storage_eps(DType dtype) { return dtype == DType::f16 ? 0x1p-11 : 0x1p-24; }

/// Preset and storage type: what every nn test is swept over.
struct Variant {
  const char* preset;
  DType dtype;
};
inline void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.preset << ' ' << name_of(variant.dtype);
}

class VariantTest : public ::testing::TestWithParam<Variant> {
 protected:
  PresetDevice& on() const { return preset_device(GetParam().preset); }
  DType dtype() const { return GetParam().dtype; }
  /// Random values as the device will hold them.
  std::vector<float> values(std::size_t count, std::uint32_t seed, float low = -1.0f,
                            float high = 1.0f) const {
    auto out = random_floats(count, seed, low, high);
    return dtype() == DType::f16 ? rounded_to_half(std::move(out)) : out;
  }
};

/// For the fp64 references.
inline std::vector<double> as_doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

inline auto all_variants() {
  return ::testing::Values(Variant{"cpu", DType::f32}, Variant{"cpu", DType::f16}, Variant{"gpu", DType::f32},
                           Variant{"gpu", DType::f16});
}

inline std::string variant_name(const ::testing::TestParamInfo<Variant>& info) {
  return std::string(info.param.preset) + "_" + std::string(name_of(info.param.dtype));
}

}  // namespace apiq::testing
