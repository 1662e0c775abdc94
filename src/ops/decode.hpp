// Several blocks of a model, or all of it, for one token after another in one launch each. For CPU devices
// and small models, whose decoding is otherwise mostly launches.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/qmatmul.hpp"
#include "shared/types.h"

#include "shared/decode_args.h"  // needs types.h before it

namespace apiq::ops {

/// What the kernel is built and laid out for.
struct DecodeShape {
  std::uint32_t blocks = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0, vocab = 0,
                capacity = 0;  // capacity: positions
  float eps = 0;
  std::uint32_t bits = 0;        // of all linears: 2, 3, 4, 8 packed; 16, 32 dense f16, f32
  std::uint32_t group_size = 0;  // of all packed linears
  std::uint32_t rank = 0;        // the largest
  DType activations = DType::f32, table = DType::f32;  // of x and the caches; of embedding and head
};

/// Tensors the kernel works on. The blocks' weights lie in three buffers, one per type, at the offsets of
/// `blocks`.
struct DecodeTensors {
  TensorView words, halves, floats;  // u32, f16, f32
  TensorView k, v;                   // caches of all layers, at the offsets of `blocks`
  TensorView cos, sin;               // f32 [positions, head_dim / 2]
  TensorView x;  // [hidden] hidden state, in and out; scratch where the head belongs to it
  TensorView embedding, head, norm;  // [vocab, hidden] twice, f32 [hidden]; empty without head
  TensorView logits, ids;            // f32 [vocab], u32 [any]; likewise
};

/// Whether this device and these sizes are ones the kernel takes: features in whole chunks, groups in whole
/// chunks, head_dim in whole vectors.
bool can_decode(Queue& queue, const DecodeShape& shape);

class Decode {
 public:
  /// Copies the table; tensors must outlive it. With embedding and head it goes from a token's id to the next
  /// one's, else over the blocks only. At most four end-of-text ids are looked for on the device. Throws
  /// Unsupported for sizes past 32 bits, OutOfDeviceMemory.
  Decode(Queue& queue, const DecodeShape& shape, const DecodeTensors& tensors,
         const std::vector<DecodeBlock>& blocks, const std::vector<std::int32_t>& eos = {});

  bool whole() const { return args_.whole != 0; }
  /// The token at `position`: x in place through the blocks. Enqueued.
  void run(std::uint32_t position);
  /// Tokens at position .. position + tokens - 1, the first being ids[index]; each one's greedy successor
  /// goes into ids[index + 1] .. and logits hold the last one's. A successor that ends the text, or
  /// kNotFinite, is the last thing this object computes. Enqueued.
  void run(std::uint32_t position, std::uint32_t tokens, std::uint32_t index);

 private:
  void launch();
  Queue& queue_;
  runtime::Macros macros_;
  std::size_t groups_;
  DecodeTensors tensors_;
  DecodeArgs args_{};
  runtime::DeviceTensor table_, scratch_, state_;
};

}  // namespace apiq::ops
