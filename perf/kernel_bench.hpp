// For benchmarks of single operations: operands, timing in turns with what bounds the operation, and the line
// of its result.
#pragma once
#include <optional>

#include "harness.hpp"

namespace apiq::perf {

class KernelBench {
 public:
  struct Rival {
    const char* name;
    Contender contender;
  };

  /// `benchmark`: the program's name in its lines.
  KernelBench(std::string benchmark, runtime::Queue& queue, const Options& options)
      : benchmark_(std::move(benchmark)), queue_(queue), options_(options) {}

  runtime::Queue& queue() const { return queue_; }

  /// f32 or f16: uniform in [-scale, scale), the same for the same shape; other types: zero bytes.
  runtime::DeviceTensor tensor(const Shape& shape, DType dtype = DType::f32, float scale = 1.0f) const;

  /// Enqueues `count` times, then waits.
  Contender enqueued(std::function<void()> enqueue) const;

  /// An operation that moves `bytes` (each operand once), held against the read bandwidth; data that fits
  /// into caches can exceed it.
  void streams(const std::string& name, double bytes, const std::function<void()>& enqueue);

  /// An operation of `flops`, held against our own dense product (1024^3), timed in the same rounds.
  void computes(const std::string& name, double bytes, double flops, const std::function<void()>& enqueue,
                const std::optional<Rival>& rival = std::nullopt);

 private:
  std::string benchmark_;
  runtime::Queue& queue_;
  const Options& options_;
  double read_gb_per_second_ = 0;  // measured at first use
};

}  // namespace apiq::perf
