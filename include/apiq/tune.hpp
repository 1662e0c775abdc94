// Finds the fastest settings of the kernels on a device and writes them where the next opening of that device
// reads them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apiq/device.hpp"
#include "apiq/fields.hpp"
#include "apiq/progress.hpp"

namespace apiq {

struct TuneOptions {
  double seconds = 600;  // budget of this call, shared among the kernels; a call that was cut short is gone
                         // on with by the next
  std::vector<std::string> kernels;  // of tunable_kernels(); empty: all that are searched
  std::filesystem::path output;      // empty: default_tuning_file()
  bool restart = false;              // forget what earlier calls measured

  template <class Visit>
  static void fields(Visit&& visit) {
    using T = TuneOptions;
    constexpr const char* kGroup = "Tuning";
    visit(&T::seconds,
          Field{.name = "time",
                .placeholder = "TIME",
                .help = "time of this run, e.g. 90s, 10min, 1h; the same command goes on where it ended",
                .group = kGroup,
                .default_words = "10min",
                .range = {.above_least = true},
                .unit = Unit::seconds});
    visit(&T::kernels, Field{.name = "kernels",
                             .placeholder = "LIST",
                             .help = "kernels to tune, with commas between",
                             .group = kGroup,
                             .default_words = "all"});
    visit(&T::output, Field{.name = "output",
                            .placeholder = "FILE",
                            .help = "tuning file to write",
                            .group = kGroup,
                            .default_words = "the device's, in the user's folder"});
    visit(&T::restart, Field{.name = "restart",
                             .help = "ignore what earlier runs measured, and start from the presets",
                             .group = kGroup});
  }
};

/// A kernel with tunables on a device of this class.
struct TunableKernel {
  std::string name;                   // "qgemv"
  std::map<std::string, int> values;  // in use now
  std::uint64_t candidates = 0;       // settings in its search space that the device can run; 0: not searched
  std::string reason;                 // why it is not searched
};

/// One timed product, norm, ... of a kernel under its preset and under the setting found.
struct TuneCase {
  std::string name;              // "2 bits 4096x4096, M 1"
  double bytes = 0, flops = 0;   // per call: least traffic, arithmetic
  double preset_ms = 0, ms = 0;  // medians of interleaved rounds
};

enum class TuneOutcome { faster, preset_stays, skipped };

struct TunedKernel {
  std::string name;
  TuneOutcome outcome = TuneOutcome::preset_stays;
  bool finished = false;                      // the search ended by itself, not by the clock
  std::map<std::string, int> preset, values;  // values: the preset unless outcome is faster
  double speedup = 1, spread = 0;  // median over rounds of preset time over found time (geometric mean of the
                                   // cases), and its quartile distance
  std::uint64_t measured = 0;      // candidates that were timed, in all calls
  std::map<std::string, std::uint64_t> rejected;  // why -> how many
  std::vector<TuneCase> cases;
  std::string message;  // why it was skipped
};

struct TuneResult {
  std::filesystem::path output;
  bool finished = false;  // every kernel asked for
  std::vector<TunedKernel> kernels;
};

std::string name_of(TuneOutcome outcome);

/// Every kernel with tunables, in the order in which they are tuned.
std::vector<TunableKernel> tunable_kernels(Device& device);

/// The file that the device's settings come from; empty if it has none and runs on presets.
std::filesystem::path tuning_file_in_use(Device& device);

/// One line about entries of that file that this version does not know and that therefore have no effect;
/// empty if there are none.
std::string tuning_file_note(Device& device);

/// <user's tuning folder>/<device>.json; found by every later opening of this device. Throws IoError if no
/// such folder is known.
std::filesystem::path default_tuning_file(const DeviceInfo& info);

/// Times settings of each kernel, those around the best so far, and writes what is faster than the preset by
/// more than the measurement's spread and agrees with the fp64 references. The file is replaced after every
/// kernel; what it says of other kernels stays. What was measured is kept in `output`.state beside it until
/// all kernels are finished, so that an interrupted or timed-out call is gone on with by the same call. The
/// device uses the settings found from then on. Throws InvalidArgument (kernel name), Interrupted, IoError,
/// FormatError, DeviceError (the preset itself fails).
TuneResult tune(Device& device, const TuneOptions& options, const Callbacks& callbacks = {});

}  // namespace apiq
