// A block for one token: the steps of block_forward, in fewer launches where linears that share an input are
// packed alike (ops/stage.hpp).
#pragma once
#include <optional>
#include <vector>

#include "model/block_run.hpp"
#include "ops/stage.hpp"

namespace apiq::model {

class DecodePlan {
 public:
  /// Of this block's own formats. Spec and block must outlive it.
  DecodePlan(const BlockSpec& spec, const Block& block, DType activations);

  /// x [1, hidden_size] in place through the block; keys and values go into kv. Enqueued.
  void run(Queue& queue, const RopeTables& rope, const TensorView& x, const KvView& kv,
           std::uint32_t position) const;

  /// How many fused stages were found.
  std::size_t fused_stages() const;

 private:
  /// Steps [first, end) in one launcher call, or a single step as it is.
  struct Part {
    std::uint32_t first = 0, end = 0;
    bool fused = false;
    ops::StageOutput output{};
    std::optional<std::uint32_t> norm = std::nullopt;  // index
    std::uint32_t first_linear = 0, linears = 0;
    SlotId from = 0;
    std::vector<SlotId> to = {};  // of each linear; one where they are gated
  };
  std::optional<Part> fused_from(std::uint32_t step) const;
  bool is_stage(std::uint32_t first_linear, std::size_t count) const;
  bool read_once(SlotId slot) const;
  bool has_bias(const Part& part) const;
  void run_fused(Queue& queue, const BlockRun& run, const Part& part) const;

  const BlockSpec& spec_;
  const Block& block_;
  BlockPlan plan_;
  std::vector<Part> parts_;
};

}  // namespace apiq::model
