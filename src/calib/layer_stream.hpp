// Weights of one block at a time on the device, the next block's read from disk and uploaded while this one
// is worked on.
#pragma once
#include <cstdint>
#include <future>
#include <vector>

#include "io/model_directory.hpp"
#include "runtime/queue.hpp"
#include "runtime/upload_ring.hpp"
#include "util/worker.hpp"

namespace apiq::calib {

/// A block's tensors as the model stores them (f32, f16 or bf16), on the device.
struct BlockWeights {
  std::vector<runtime::TensorView> linears;  // [out_features, in_features]
  std::vector<runtime::TensorView> biases;   // [out_features]; empty where a linear has none
  std::vector<runtime::TensorView> norms;    // [width]
};

class LayerStream {
 public:
  struct Options {
    bool prefetch = true;  // a second set of device buffers, filled in the background
    std::uint64_t ring_bytes = std::uint64_t{16} << 20;
    Trace* trace = nullptr;
  };

  /// Allocates everything it will ever need. Throws OutOfDeviceMemory, OutOfHostMemory, InvalidArgument (a
  /// ring below 64 KiB).
  LayerStream(runtime::Device& device, const ModelDirectory& model, const Options& options);
  /// Waits for what is being read.
  ~LayerStream();
  LayerStream(const LayerStream&) = delete;
  LayerStream& operator=(const LayerStream&) = delete;

  /// The block's weights, valid until the next open(); what the device's queue runs from now on finds them
  /// uploaded. Any order, ascending is prefetched. Throws IoError (the model's files cannot be read or were
  /// cut short meanwhile), DeviceError; may be called again then.
  const BlockWeights& open(std::uint32_t block);

  /// How long open() has kept its caller waiting so far.
  double wait_seconds() const { return wait_seconds_; }

  /// What a stream of this model takes from the device budget and from the host budget, exactly.
  static std::uint64_t device_bytes(const ModelConfig& config, const TensorSource& tensors, bool prefetch);
  static std::uint64_t host_bytes(std::uint64_t ring_bytes);

 private:
  struct BufferSet {
    std::vector<runtime::Buffer> buffers;  // in the order of block_tensors()
    std::int64_t block = -1;               // loaded or being loaded; -1: none
    BlockWeights weights;
    runtime::Event uploaded;  // to be read after `loaded`
    std::shared_future<void> loaded;
  };
  void start(BufferSet& set, std::uint32_t block);
  void load(BufferSet& set, std::uint32_t block, const runtime::Event& unused);

  runtime::Queue& queue_;
  const ModelDirectory& model_;
  Trace* trace_;
  double wait_seconds_ = 0;
  std::size_t current_ = 0;
  std::vector<BufferSet> sets_;
  runtime::UploadRing ring_;  // used by the worker only
  Worker worker_;             // last: its jobs use the others
};

}  // namespace apiq::calib
