// What the machine can do at best, measured in the same run as what is held against it. Rates are GB/s (1e9
// bytes) and GFLOP/s.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "runtime/queue.hpp"
#include "timing.hpp"

namespace apiq::perf {

/// One limit as something to time: `bytes` moved or `flops` done by a call.
struct Probe {
  std::string name;
  Contender contender;
  double bytes = 0, flops = 0;

  double gb_per_second(const Timing& timing) const { return bytes / 1e6 / timing.median; }
  double gflop_per_second(const Timing& timing) const { return flops / 1e6 / timing.median; }
};

/// Reads a device buffer far larger than caches; on CPU devices add host_read_probe and take the larger of
/// both.
Probe device_read_probe(runtime::Queue& queue);
/// All host threads read a buffer of their own, far larger than caches.
Probe host_read_probe();
/// Device buffer to device buffer; bytes read plus bytes written.
Probe copy_probe(runtime::Queue& queue);
/// Pinned host memory to the device, and back.
Probe upload_probe(runtime::Queue& queue);
Probe download_probe(runtime::Queue& queue);
/// fp32 multiply-add from registers, as the device's compiler makes it.
Probe multiply_add_probe(runtime::Queue& queue);
/// fp32 matmul of the machine's BLAS (OpenBLAS, 2048^3): the limit of dense products on CPU devices.
Probe blas_probe();

/// The probes of reading, for interleave(): on CPU devices two.
std::vector<Probe> read_probes(runtime::Queue& queue);
/// Median read bandwidth of a few rounds of those, the larger one: what streams on this device is a share of
/// it.
double read_gb_per_second(runtime::Queue& queue, int rounds = 5);

/// Bytes per second (in GB/s) at which all host threads together read a buffer far larger than the last-level
/// cache; best of `rounds`.
double host_read_gb_per_second(int rounds = 5, std::size_t bytes = std::size_t{512} << 20);

}  // namespace apiq::perf
