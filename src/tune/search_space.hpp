// What apiq-tune tries: per program, the values of each tunable that are worth timing on CPUs and on GPUs,
// and what makes a combination impossible. The registry owns names and presets; this table owns candidates,
// so a preset may change without touching it.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiq/device.hpp"
#include "runtime/tuning.hpp"

namespace apiq::tuning {

/// A setting: every tunable of a program with its value.
using Point = runtime::TunedValues;

struct Axis {
  std::string_view name;
  std::vector<int> cpu, gpu;  // candidates; empty: only the preset
  std::string_view reason{};  // why there are none, where both are empty
};

struct SearchSpace {
  std::string_view program;
  std::vector<Axis> axes;
  /// Pairs that are also moved together: a width against a count, say, where each change alone would be
  /// refused or lose.
  std::vector<std::pair<std::string_view, std::string_view>> together{};
  /// Work-items of a group and bytes of local memory for a setting; none: 1 and 0.
  std::function<long(const Point&)> group_items{}, local_bytes{};
  /// What else the kernel asks for; empty text: allowed.
  std::function<std::string(const Point&)> conflict{};
  std::vector<std::string_view> verified_by{};  // cases of the self-test: Case::kernel
  std::string_view reason{};                    // why the program is not searched at all
};

/// In the order of tuning: what costs a model most first.
const std::vector<SearchSpace>& search_spaces();

/// Throws InvalidArgument listing the names there are.
const SearchSpace& search_space(std::string_view program);

/// The preset, or what is in use, as a point.
Point point_of(const runtime::Macros& macros);

/// "VW=16 RV=2", in the order of the axes.
std::string text_of(const SearchSpace& space, const Point& point);

/// Why a device cannot run this setting, e.g. "local memory"; empty if it can.
std::string conflict_of(const SearchSpace& space, const Point& point, const DeviceInfo& info);

const std::vector<int>& candidates(const Axis& axis, bool is_cpu);

/// Whether there is anything to choose on this class of devices; if not, why.
bool is_searched(const SearchSpace& space, bool is_cpu);
std::string why_fixed(const SearchSpace& space, bool is_cpu);

/// Comparisons of one round of the search, about: what time is shared out by.
double effort(const SearchSpace& space, bool is_cpu);

/// How many combinations of candidates the device can run; axes without candidates keep the preset.
std::uint64_t settings(const SearchSpace& space, const Point& preset, const DeviceInfo& info, bool is_cpu);

}  // namespace apiq::tuning
