// What the host can do: on CPU devices the ceiling of everything that streams or multiplies.
#pragma once
#include <cstddef>

namespace apiq::perf {

/// Bytes per second (in GB/s) at which all host threads together read a buffer far larger than the last-level cache; best of `rounds`.
double host_read_gb_per_second(int rounds = 5, std::size_t bytes = std::size_t{512} << 20);

}  // namespace apiq::perf
