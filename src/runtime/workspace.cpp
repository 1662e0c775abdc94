#include "runtime/workspace.hpp"

#include <algorithm>

#include "runtime/device.hpp"

namespace apiq::runtime {

namespace {
constexpr std::uint64_t kAlignment = 256;
constexpr std::uint64_t kSmallestChunk = 4 << 20;
}  // namespace

void Workspace::reserve(std::uint64_t bytes) {
  if (chunk_ != 0 || used_ != 0) return;
  std::uint64_t have = 0;
  for (const Buffer& chunk : chunks_) have = std::max(have, chunk.bytes());
  if (have >= bytes) return;
  chunks_.clear();
  for (std::uint64_t left = bytes; left != 0;) {
    const std::uint64_t size = std::min(left, device_.info().max_buffer_bytes);
    chunks_.emplace_back(device_, size, "scratch memory");
    left -= size;
  }
}

void Workspace::release() {
  if (chunk_ == 0 && used_ == 0) chunks_.clear();
}

TensorView Workspace::allocate(DType dtype, const Shape& shape) {
  const std::uint64_t bytes = (shape.elements() * size_of(dtype) + kAlignment - 1) / kAlignment * kAlignment;
  while (chunk_ < chunks_.size() && used_ + bytes > chunks_[chunk_].bytes()) {
    ++chunk_;
    used_ = 0;
  }
  if (chunk_ == chunks_.size()) {
    // Chunks grow, so that a run settles on a few of them; the budget or the device's buffer limit may ask
    // for less.
    std::uint64_t size = std::max(kSmallestChunk, chunks_.empty() ? 0 : 2 * chunks_.back().bytes());
    size = std::min({size, device_.info().max_buffer_bytes, device_.budget().available_bytes() / 4});
    chunks_.emplace_back(device_, std::max(size, bytes), "scratch memory");
    used_ = 0;
  }
  TensorView view{chunks_[chunk_].handle(), used_ / size_of(dtype), dtype, shape};
  used_ += bytes;
  return view;
}

}  // namespace apiq::runtime
