// One kernel's timing cases on a device: settings timed against each other, and checked against the fp64
// references of the self-test.
#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "apiq/tune.hpp"
#include "ops/fast_path/fast_path.hpp"
#include "runtime/device.hpp"
#include "tune/acceptance.hpp"
#include "tune/descent.hpp"
#include "tune/search_space.hpp"
#include "tune/timing_cases.hpp"

namespace apiq::tuning {

/// How many of the self-test's cases a check runs: some of them while searching, all before a setting is
/// written.
enum class Check { some, all };

class KernelBench {
 public:
  /// Allocates the operands and runs each case under `preset` to see how long it takes. Throws
  /// OutOfDeviceMemory and what launchers throw. Whoever owns the bench chooses the setting that holds after
  /// it; within, calls leave any. between: called between any two pieces of work; what it throws passes
  /// through.
  KernelBench(runtime::Device& device, const SearchSpace& space, Point preset, bool is_cpu,
              std::function<void()> between);
  ~KernelBench();

  const Point& preset() const { return preset_; }

  /// Time of the candidate over the incumbent's: geometric mean over the cases, the best of a few interleaved
  /// rounds each (what disturbs a round only ever adds to it). Stops at the first sign that the candidate is
  /// slower. A candidate that cannot be built or run is refused; an incumbent that fails throws.
  Trial compare(const Point& candidate, const Point& incumbent);

  /// Why the results under this setting are wrong; empty if they are right.
  std::string check(const Point& point, Check how_many);

  struct Confirmation {
    Comparison comparison;
    std::vector<TuneCase> cases;
  };
  /// The preset against the setting found, in turns.
  Confirmation confirm(const Point& found);

 private:
  struct Timed {
    TimingCase description;
    std::function<void()> call;
    int calls = 1;       // in one sample
    double call_ms = 0;  // under the preset
  };
  void use(const Point& point);
  double sample_ms(Timed& timed, int calls);

  runtime::Device& device_;
  ops::PortableOnly portable_;  // what is measured are our own kernels
  const SearchSpace& space_;
  Point preset_;
  std::function<void()> between_;
  std::vector<Timed> cases_;
};

}  // namespace apiq::tuning
