// The trial of one path that passed its gate. Every step can only refuse; none stops the run.
#pragma once
#include "ops/fast_path/fast_path.hpp"

namespace apiq::ops {

/// Small integers, which every input type holds exactly, through all products of the path: results equal the
/// host's, bit for bit. Values within a tile are distinct, matrices are no squares and not symmetric, and
/// sizes span several tiles, leave ragged edges and take several instructions along k; so swapped registers,
/// stale accumulators and zeros from a wrong address space all show. Returns what differs first, or nothing.
std::string known_answers(Queue& queue, const FastPath& path);

/// One product of real size against the portable kernel, on random inputs: within what rounding the inputs
/// explains. Returns what differs.
std::string comparison(Queue& queue, const FastPath& path);

/// Path against portable kernel, every product, few and many rows.
std::vector<FastPathSpeed> speeds(Queue& queue, const FastPath& path);

/// The product by the portable kernel (which the dispatchers use while a trial runs).
void run_portable(Queue& queue, const ProductCall& call);

}  // namespace apiq::ops
