#include "calib/activation_generation.hpp"

namespace apiq::calib {

ActivationGeneration::ActivationGeneration(ActivationFile file, const ActivationLayout& layout, bool saved)
    : file_(std::move(file)),
      saved_name_(saved),
      bytes_(ActivationFile::bytes(layout)),
      saved_(promise_.get_future().share()) {
  hash_.update(ActivationFile::header(layout));
}

ActivationGeneration::ActivationGeneration(ActivationFile complete)
    : file_(std::move(complete)), saved_name_(true) {}

void ActivationGeneration::write(std::uint32_t sample, std::span<const std::byte> bytes) {
  if (abandoned_) return;
  rethrow();
  try {
    file_.write(sample, bytes);
    if (saved_name_) hash_.update(bytes.data(), bytes.size());
  } catch (...) {
    fail(std::current_exception());
    throw;
  }
}

void ActivationGeneration::finish() {
  try {
    rethrow();
    file_.publish();
    promise_.set_value({file_.path(), hash_.hex(), bytes_});
  } catch (...) {
    fail(std::current_exception());
    promise_.set_exception(std::current_exception());
  }
}

void ActivationGeneration::rethrow() const {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

void ActivationGeneration::fail(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = error;
}

}  // namespace apiq::calib
