#include "calib/layer_stream.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include "apiq/error.hpp"
#include "family/tensor_names.hpp"

namespace apiq::calib {

using runtime::Event;
using runtime::TensorView;
using runtime::UploadRing;

namespace {

constexpr std::uint32_t kRingSlots = 4;
constexpr std::uint64_t kSmallestSlot = std::uint64_t{16} << 10, kSlotMultiple = 4096;

/// What each buffer of a set must hold: blocks differ where a model stores some of them in other types.
std::vector<std::uint64_t> buffer_sizes(const ModelConfig& config, const TensorSource& tensors) {
  std::vector<std::uint64_t> sizes;
  for (std::uint32_t block = 0; block < config.num_hidden_layers; ++block) {
    const auto expected = block_tensors(config.block, block);
    sizes.resize(expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const TensorInfo& info = *tensors.find(expected[i].name);
      sizes[i] = std::max(sizes[i], info.shape.elements() * size_of(info.dtype));
    }
  }
  return sizes;
}

std::size_t set_count(const ModelConfig& config, bool prefetch) {
  return prefetch && config.num_hidden_layers > 1 ? 2 : 1;
}

std::uint64_t slot_bytes(std::uint64_t ring_bytes) {
  const std::uint64_t slot = ring_bytes / kRingSlots / kSlotMultiple * kSlotMultiple;
  if (slot < kSmallestSlot)
    throw InvalidArgument("[layer stream] expected a ring of at least " +
                          std::to_string(kRingSlots * kSmallestSlot) + " bytes, found " +
                          std::to_string(ring_bytes));
  return slot;
}

}  // namespace

LayerStream::LayerStream(runtime::Device& device, const ModelDirectory& model, const Options& options)
    : queue_(device.queue()),
      model_(model),
      trace_(options.trace),
      sets_(set_count(model.config(), options.prefetch)),
      ring_(device, kRingSlots, slot_bytes(options.ring_bytes), "weights", options.trace) {
  const auto sizes = buffer_sizes(model.config(), model.tensors());
  for (BufferSet& set : sets_)
    for (const std::uint64_t bytes : sizes) set.buffers.emplace_back(device, bytes, "a block's weights");
}

LayerStream::~LayerStream() = default;

const BlockWeights& LayerStream::open(std::uint32_t block) {
  if (block >= model_.config().num_hidden_layers)
    throw InvalidArgument("[layer stream] block " + std::to_string(block) + " of a model of " +
                          std::to_string(model_.config().num_hidden_layers));
  const auto begin = std::chrono::steady_clock::now();
  const bool open_already = sets_[current_].block == block;
  if (!open_already) {
    current_ = (current_ + 1) % sets_.size();
    BufferSet& set = sets_[current_];
    if (set.block != block) start(set, block);
    try {
      const Trace::Scope scope(trace_, Trace::Lane::host, "wait for weights");
      set.loaded.get();
    } catch (...) {
      set.block = -1;
      throw;
    }
    queue_.wait_for(set.uploaded);
  }
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  BufferSet& other = sets_[(current_ + 1) % sets_.size()];
  if (!open_already && sets_.size() > 1 && block + 1 < model_.config().num_hidden_layers &&
      other.block != block + 1)
    start(other, block + 1);
  return sets_[current_].weights;
}

/// Begins to fill the set, once the computation enqueued so far, which may read what it holds, is done.
void LayerStream::start(BufferSet& set, std::uint32_t block) {
  if (set.loaded.valid()) set.loaded.wait();  // a prefetch that nobody wanted; its error is nobody's either
  set.block = block;
  set.loaded = worker_.submit([this, &set, block, unused = queue_.mark()] { load(set, block, unused); });
}

void LayerStream::load(BufferSet& set, std::uint32_t block, const Event& unused) {
  const ModelConfig& config = model_.config();
  const auto expected = block_tensors(config.block, block);
  BlockWeights& weights = set.weights;
  weights = {};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const TensorInfo& info = *model_.tensors().find(expected[i].name);
    const TensorView view{set.buffers[i].handle(), 0, info.dtype, info.shape};
    set.uploaded = ring_.upload(view, {&unused, 1}, [&](std::uint64_t offset, std::span<std::byte> slot) {
      const Trace::Scope scope(trace_, Trace::Lane::disk_read, "weights");
      model_.tensors().read(info.name, offset, slot);
    });
    if (info.name.ends_with(".bias")) {
      weights.biases.back() = view;  // after its weight
    } else if (is_linear_weight(config, info.name)) {
      weights.linears.push_back(view);
      weights.biases.emplace_back();
    } else {
      weights.norms.push_back(view);
    }
  }
}

std::uint64_t LayerStream::device_bytes(const ModelConfig& config, const TensorSource& tensors,
                                        bool prefetch) {
  std::uint64_t sum = 0;
  for (const std::uint64_t bytes : buffer_sizes(config, tensors)) sum += bytes;
  return sum * set_count(config, prefetch);
}

std::uint64_t LayerStream::host_bytes(std::uint64_t ring_bytes) {
  return UploadRing::host_bytes(kRingSlots, slot_bytes(ring_bytes));
}

}  // namespace apiq::calib
