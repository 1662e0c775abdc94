// Scratch memory for operations: a stack of views in a few large buffers. The queue is in order, so a scope
// may end (and its memory be handed out again) while the kernels that use it are still waiting to run.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/buffer.hpp"

namespace apiq::runtime {

class Workspace {
 public:
  explicit Workspace(Device& device) : device_(device) {}

  /// Everything allocated while a Scope lives is given back when it ends.
  class Scope {
   public:
    explicit Scope(Workspace& workspace)
        : workspace_(workspace), chunk_(workspace.chunk_), used_(workspace.used_) {}
    ~Scope() {
      workspace_.chunk_ = chunk_;
      workspace_.used_ = used_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Workspace& workspace_;
    std::size_t chunk_;
    std::uint64_t used_;
  };

  /// Makes room for this many bytes at once, if nothing is in use: a run that knows its need gets it in one
  /// piece, or in few where a single buffer may not be that large.
  void reserve(std::uint64_t bytes);
  /// Gives everything back to the device, if nothing is in use.
  void release();
  /// Undefined contents, 256-byte aligned. Grows the workspace if needed (within the budget).
  TensorView allocate(DType dtype, const Shape& shape);

 private:
  Device& device_;
  std::vector<Buffer> chunks_;
  std::size_t chunk_ = 0;   // chunk in use
  std::uint64_t used_ = 0;  // bytes of it
};

}  // namespace apiq::runtime
