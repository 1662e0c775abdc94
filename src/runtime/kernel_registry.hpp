// What kernels there are: one row per program (a .cl file), with its sources, meanings, tunables and presets.
// Launchers, the tests and the offline compile check all read this table.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace apiq::runtime {

/// -D definitions, in the order they are passed.
using Macros = std::vector<std::pair<std::string_view, int>>;

struct Tunable {
  std::string_view name;
  int cpu;  // preset for CPU devices
  int gpu;  // preset for everything else
};

struct KernelSpec {
  std::string_view name;                  // program, "gemm"
  std::vector<std::string_view> sources;  // in the order they are joined: shared and lib headers first
  std::vector<std::string_view> entries;  // kernel functions
  std::vector<Macros>
      meanings;  // every combination of meaning macros that launchers use (for offline checks)
  std::vector<Tunable> tunables;
  /// Which compilers take it, for programs with one vendor's instructions: starts of compiler targets as
  /// scripts/lint_kernels names them, with a processor where it matters ("nvptx64", "amdgcn:gfx1100"). Empty:
  /// all.
  std::vector<std::string_view> targets = {};
};

/// All programs, by area: kernels_matmul.cpp, kernels_packed.cpp, kernels_nn.cpp, kernels_decode.cpp,
/// kernels_quant.cpp, kernels_optim.cpp, kernels_units.cpp, kernels_limits.cpp.
const std::vector<KernelSpec>& kernel_specs();

/// Throws InvalidArgument for a name that is not in the table.
const KernelSpec& kernel_spec(std::string_view name);

/// Sources joined for the compiler, each with a #line that makes errors point to its file.
std::string joined_source(const KernelSpec& spec);

/// "-D BITS=2 -D WG=64"
std::string option_text(const Macros& macros);

}  // namespace apiq::runtime
