// Activations of all calibration samples at one place of the model: on the device where the budget allows, else in host memory and
// brought to the device one sample at a time. Where they live changes time, never results.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/queue.hpp"

namespace apiq::calib {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

class ActivationStore {
 public:
  ActivationStore() = default;
  /// f32 [num_samples][tokens, features], contents undefined. Kept on the device if that leaves reserve_bytes of the budget free.
  ActivationStore(Queue& queue, std::uint32_t num_samples, std::uint64_t tokens, std::uint64_t features, std::uint64_t reserve_bytes,
                  std::string_view what);

  /// Sample i on the device, f32 [tokens, features]; valid until the next open() or create() of this store.
  TensorView open(std::uint32_t sample);
  /// The same without its old contents: for a sample about to be written.
  TensorView create(std::uint32_t sample);
  /// Keeps what was written to the view of open() or create().
  void commit(std::uint32_t sample);

  bool on_device() const { return host_.empty(); }

 private:
  Queue* queue_ = nullptr;
  std::uint64_t tokens_ = 0, features_ = 0;
  std::vector<DeviceTensor> device_;  // one per sample, or the one staging tensor of a host store
  std::vector<std::vector<float>> host_;
};

}  // namespace apiq::calib
