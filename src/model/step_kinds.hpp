// What each kind of step computes, forward and backward, and what its memory may be shared with: a row for
// each kind. Everything that runs or plans a block goes by these rows.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <span>

#include "family/block_spec.hpp"
#include "model/block.hpp"

namespace apiq::model {

/// y [rows, out_features] = linear(x [rows, in_features]).
using LinearForward = std::function<void(std::uint32_t linear, const TensorView& x, const TensorView& y)>;
/// From dy [rows, out_features] and the x of forward: the linear's own gradients, and dx [rows, in_features]
/// = (accumulate ? dx : 0) + dy W unless dx.memory is nullptr.
using LinearBackward = std::function<void(std::uint32_t linear, const TensorView& x, const TensorView& dy,
                                          const TensorView& dx, bool accumulate)>;

/// What all steps of a run share.
struct BlockContext {
  Queue& queue;
  const BlockSpec& spec;
  const RopeTables& rope;
  std::span<const DeviceTensor> norms;   // f32 [width], in the order of the spec
  std::span<const DeviceTensor> biases;  // f32 [out_features], empty tensors for linears without; none at all
                                         // where `linear` adds them itself
  std::uint64_t tokens = 0;              // of each sequence; rows of all values are whole sequences
  std::uint32_t first_position = 0;
  const KvView* cache = nullptr;  // keys and values before first_position; none: attention within the rows
};

struct ForwardStep {
  const Step& step;
  std::array<TensorView, 3> from;
  TensorView to;
  TensorView statistics;  // empty: nobody needs them
};

struct BackwardStep {
  const Step& step;
  std::array<TensorView, 3> from;  // of forward, those that the kind keeps
  TensorView to, statistics;
  TensorView d_to;
  std::array<TensorView, 3> d_from;  // empty where not wanted
  std::array<bool, 3> accumulate{};
};

/// Where the gradient of a step's input may lie.
enum class GradientMemory {
  own,
  of_output,      // in that of the output, which nobody needs afterwards
  of_activation,  // in that of the input itself
  shared,         // it is the output's gradient
};

struct StepKindRow {
  StepKind kind{};
  void (*forward)(const BlockContext&, const LinearForward&, const ForwardStep&);
  void (*backward)(const BlockContext&, const LinearBackward&, const BackwardStep&);
  std::uint8_t keeps_from = 0;   // bit i: backward reads from[i]
  bool keeps_to = false;         // backward reads the output
  bool statistics = false;       // forward leaves f32 [heads, tokens] per sequence for backward
  std::uint8_t in_place = 0;     // bit i: the output may take the memory of from[i]
  bool always_in_place = false;  // it has to
  GradientMemory gradients = GradientMemory::own;
};

const StepKindRow& row_of(StepKind kind);

}  // namespace apiq::model
