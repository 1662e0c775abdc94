// Runs a block's steps: forward over any part of them, or forward and backward.
#pragma once
#include <optional>
#include <vector>

#include "model/block_memory.hpp"
#include "model/step_kinds.hpp"

namespace apiq::model {

/// One run by a plan. Values that are the caller's are named before it begins.
class BlockRun {
 public:
  /// Everything named must outlive the run; scratch memory comes from the queue's workspace and is the run's
  /// until the caller's Workspace::Scope ends.
  BlockRun(const BlockContext& context, const BlockPlan& plan, std::uint64_t rows);

  /// This value is here: [rows, width].
  void give(ValueId value, const TensorView& view) { given_[plan_.memory_of(value)] = view; }
  /// Where a value is.
  TensorView view(ValueId value) const;

  /// All steps of the plan, or a part of them; the parts in their order.
  void forward(const LinearForward& linear) const { forward(plan_.steps(), linear); }
  void forward(StepRange steps, const LinearForward& linear) const;
  /// After forward().
  void backward(const LinearBackward& linear) const;

 private:
  BlockContext context_;
  const BlockPlan& plan_;
  std::uint64_t rows_;
  TensorView scratch_;
  std::vector<TensorView> given_;  // by value
};

/// The whole block for so many tokens, its input overwritten, keys and values in the cache.
BlockPlan forward_plan(const BlockSpec& spec, std::uint64_t tokens, DType dtype);

/// x [num_tokens, hidden_size] in place through the block by its forward_plan(); tokens at first_position ...
/// Keys and values go into kv; rounding is that of the linears' products. Enqueued.
void block_forward(Queue& queue, runtime::Rounding rounding, const BlockSpec& spec, const BlockPlan& plan,
                   const RopeTables& rope, const Block& block, const TensorView& x, const KvView& kv,
                   std::uint32_t first_position);

/// The same, ready to run: what block_forward() does with it is up to the caller.
BlockRun begin_forward(Queue& queue, const BlockSpec& spec, const BlockPlan& plan, const RopeTables& rope,
                       const Block& block, const TensorView& x, const KvView& kv,
                       std::uint32_t first_position);
/// The block's own.
LinearForward linears_of(Queue& queue, runtime::Rounding rounding, const Block& block);

/// The steps from the inputs of one stage to those of the next: what a sample goes through between two stages
/// of calibration.
struct StageWay {
  StepRange steps;
  std::optional<SlotId> input;          // of the stage; none before the first
  std::optional<SlotId> residual;       // the residual stream, where these steps read it
  std::optional<SlotId> next_input;     // none after the last
  std::optional<SlotId> next_residual;  // where these steps give a new one
  /// Of one sample, f32; all but the new residual stream is given.
  BlockPlan plan(const BlockSpec& spec, std::uint64_t tokens) const;
};

/// [i]: from the inputs of stage i - 1 to those of stage i; [0] begins with the block's input, the last one
/// ends with its output.
std::vector<StageWay> stage_ways(const BlockSpec& spec);

}  // namespace apiq::model
