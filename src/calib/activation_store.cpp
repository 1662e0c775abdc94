#include "calib/activation_store.hpp"

namespace apiq::calib {

ActivationStore::ActivationStore(Queue& queue, std::uint32_t num_samples, std::uint64_t tokens, std::uint64_t features, std::uint64_t reserve_bytes,
                                 std::string_view what)
    : queue_(&queue), tokens_(tokens), features_(features) {
  const std::uint64_t bytes = num_samples * tokens * features * sizeof(float);
  const bool on_device = bytes + reserve_bytes <= queue.device().budget().available_bytes();
  const std::uint32_t tensors = on_device ? num_samples : 1;
  for (std::uint32_t i = 0; i < tensors; ++i) device_.emplace_back(queue.device(), DType::f32, Shape{tokens, features}, what);
  if (!on_device) host_.assign(num_samples, std::vector<float>(tokens * features));
}

TensorView ActivationStore::open(std::uint32_t sample) {
  if (on_device()) return device_[sample];
  queue_->write(device_[0], host_[sample].data());
  return device_[0];
}

TensorView ActivationStore::create(std::uint32_t sample) { return device_[on_device() ? sample : 0]; }

void ActivationStore::commit(std::uint32_t sample) {
  if (!on_device()) queue_->read(device_[0], host_[sample].data());
}

}  // namespace apiq::calib
