// A device as it was: what a verb sets on it for its own run ends with that run.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::runtime {

/// While it lives, host memory may have a limit and scratch memory be reserved; then the limit is what it was
/// and the scratch memory is the device's again. Nothing of the workspace may be in use at the end.
class BorrowedDevice {
 public:
  explicit BorrowedDevice(Device& device) : device_(device), limit_(device.host_budget().limit_bytes()) {}
  ~BorrowedDevice() {
    device_.host_budget().set_limit(limit_);
    device_.queue().workspace().release();
  }
  BorrowedDevice(const BorrowedDevice&) = delete;
  BorrowedDevice& operator=(const BorrowedDevice&) = delete;

 private:
  Device& device_;
  std::uint64_t limit_;
};

}  // namespace apiq::runtime
