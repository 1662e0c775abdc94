// Work that does nothing but read memory or multiply: what every other kernel's speed is a share of.
// Enqueued; returns at once. Kernels: cl/limits/limits.cl.
#pragma once
#include <cstdint>

#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::Queue;
using runtime::TensorView;

/// Words that one work-group of read_words reads on this device: `data` holds a multiple of it.
std::uint64_t read_granule_words(Queue& queue);
/// Reads all of data, u32; the sums modulo 2^32 of all words' parts go to sums, u32 [read_sums(queue, words
/// of data)]. Throws ShapeError unless data is a multiple of the granule.
void read_words(Queue& queue, const TensorView& data, const TensorView& sums);
std::uint64_t read_sums(Queue& queue, std::uint64_t words);

/// Steps of a call that takes some milliseconds: CPU devices have few lanes.
std::uint32_t multiply_add_steps(Queue& queue);
/// One value per work-item of multiply_add: several groups for each core to take.
std::uint64_t multiply_add_items(Queue& queue);
/// y f32 [multiply_add_items(queue)]: eight chains per lane, starting at k, ..., k + 7 for the k-th item of a
/// group, after `steps` of x = factor * x + addend (rounded once); their sum over the lanes. Returns the
/// floating point operations of the chains.
double multiply_add(Queue& queue, std::uint32_t steps, float factor, float addend, const TensorView& y);

}  // namespace apiq::ops
