// Rotary position embedding in fp64: plain loops, for tests.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace apiq::ops::reference {

/// x [tokens, heads, head_dim] with token t at first_position + t; pair (j, j + head_dim / 2) turned by
/// position * theta^(-2j / head_dim), backwards if `inverse`. Angles are exact here: the f32 angles of the
/// tables differ by up to position * 2^-23.
std::vector<double> rope(std::span<const double> x, std::size_t heads, std::size_t head_dim, double theta,
                         std::size_t first_position, bool inverse);

}  // namespace apiq::ops::reference
