// The weights of neighbouring blocks in three buffers, one per element type, and the table that says where
// each lies: what the kernel that computes whole tokens reads.
#pragma once
#include <optional>
#include <span>

#include "model/block.hpp"
#include "ops/decode.hpp"

namespace apiq::model {

/// Bits and group size of all linears of a block, where they are the same and nothing else is in them: no
/// bias, no adapter outside the packed product.
struct DecodeFormat {
  std::uint32_t bits = 0;  // 16, 32: dense f16, f32
  std::uint32_t group_size = 0;
  bool operator==(const DecodeFormat&) const = default;
};
std::optional<DecodeFormat> decode_format(const Block& block);

/// Bytes that a DecodeWeights of this block takes, about.
std::uint64_t decode_bytes(const Block& block);

struct DecodeWeights {
  /// Copies on the device. Throws OutOfDeviceMemory.
  DecodeWeights(Queue& queue, std::span<const Block> blocks);

  DeviceTensor words, halves, floats;  // empty where nothing is of that type
  std::vector<DecodeBlock> table;      // k and v are left for the caller
  std::uint32_t rank = 0;              // the largest
};

}  // namespace apiq::model
