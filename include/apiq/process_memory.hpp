// Memory of this process.
#pragma once
#include <cstdint>

namespace apiq {

/// Peak resident size of this process, and the present one, bytes.
std::uint64_t peak_host_bytes();
std::uint64_t current_host_bytes();

}  // namespace apiq
