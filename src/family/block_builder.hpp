// Writes a BlockSpec down step by step, each call one step; what they return is what later steps read.
#pragma once
#include "family/block_spec.hpp"

namespace apiq {

class BlockBuilder {
 public:
  BlockBuilder(std::uint32_t hidden_size, const AttentionSpec& attention, float norm_eps);

  SlotId input() const { return 0; }
  /// Over rows of `width` features, one of its heads say; 0: over all of x.
  SlotId norm(SlotId x, std::string_view name, std::uint32_t width = 0);
  SlotId linear(SlotId x, std::string_view name, std::uint32_t out_features, bool bias = false);
  SlotId rope(SlotId x);
  SlotId attention(SlotId q, SlotId k, SlotId v);
  SlotId gate(SlotId gate, SlotId up);
  SlotId add(SlotId a, SlotId b);
  /// What was written, with its stages: runs of linears with one input.
  BlockSpec finish();

 private:
  SlotId step(StepKind kind, std::vector<SlotId> from, std::string_view name, std::uint32_t width,
              std::size_t param = 0);
  std::uint32_t width_of(SlotId slot) const { return spec_.slots[slot].width; }

  BlockSpec spec_;
  float norm_eps_;
};

}  // namespace apiq
