// apiq::tune: one kernel after the other, each with a share of the time; search, check, confirmation, file.
#include "apiq/tune.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "apiq/error.hpp"
#include "runtime/install_paths.hpp"
#include "runtime/tuning_file.hpp"
#include "tune/kernel_bench.hpp"
#include "tune/tune_state.hpp"
#include "tune/tuning_output.hpp"
#include "util/sha256.hpp"

namespace apiq {

namespace {

using namespace tuning;
using runtime::Tuning;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::map<std::string, int> plain(const Point& point) { return {point.begin(), point.end()}; }

Point preset_of(const SearchSpace& space, const Tuning& tuning) {
  Tuning copy = tuning;
  copy.set(std::string(space.program), {});
  return point_of(copy.values(space.program));
}

std::string fingerprint(const SearchSpace& space, const Point& preset, bool is_cpu) {
  Sha256 hash;
  hash.update(runtime::joined_source(runtime::kernel_spec(space.program))).update(text_of(space, preset));
  for (const Axis& axis : space.axes) {
    hash.update(";").update(axis.name);
    for (const int value : candidates(axis, is_cpu)) hash.update(",").update(std::to_string(value));
  }
  for (const TimingCase& c : timing_cases(space.program, is_cpu)) hash.update(";").update(c.name);
  return hash.hex().substr(0, 16);
}

class Tuner {
 public:
  Tuner(Device& device, const TuneOptions& options, const Callbacks& callbacks)
      : device_(device.impl()),
        is_cpu_(device_.tuning().is_cpu()),
        options_(options),
        callbacks_(callbacks),
        output_path_(options.output.empty() ? default_tuning_file(device.info()) : options.output),
        output_(output_path_, device_),
        state_(state_path(output_path_), device.info()) {
    for (const auto& [key, values] : output_.data().tunables) device_.tuning().set(key, values);
    if (!options.restart) state_.load();
  }

  TuneResult run() {
    const std::vector<const SearchSpace*> spaces = chosen();
    output_.make_folder();
    double efforts = 0;
    for (const SearchSpace* space : spaces) efforts += effort(*space, is_cpu_);
    TuneResult result{output_path_, true, {}};
    for (const SearchSpace* space : spaces) {
      const double own = effort(*space, is_cpu_);
      result.kernels.push_back(turn(*space, std::max(0.0, options_.seconds - seconds()) * own / efforts));
      efforts -= own;
      result.finished = result.finished && result.kernels.back().finished;
    }
    if (result.finished)
      for (const SearchSpace* space : spaces) state_.forget(std::string(space->program));
    state_.save();
    return result;
  }

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  bool stopped() const { return callbacks_.stop != nullptr && callbacks_.stop->load(); }

  void stop_if_asked() {
    if (!stopped()) return;
    state_.end();
    state_.save();
    throw Interrupted("interrupted; the same command goes on with what " + state_path(output_path_).string() +
                      " has kept");
  }

  std::vector<const SearchSpace*> chosen() const {
    std::vector<const SearchSpace*> out;
    for (const std::string& name : options_.kernels)
      if (const SearchSpace& space = search_space(name); !is_searched(space, is_cpu_))
        throw InvalidArgument("kernel '" + name + "' is not searched: " + why_fixed(space, is_cpu_));
    for (const SearchSpace& space : search_spaces()) {
      const bool asked = options_.kernels.empty() ||
                         std::find(options_.kernels.begin(), options_.kernels.end(), space.program) !=
                             options_.kernels.end();
      if (asked && is_searched(space, is_cpu_)) out.push_back(&space);
    }
    return out;
  }

  /// One kernel's share of this call. Whatever happens, the device then uses what the output file says of it.
  TunedKernel turn(const SearchSpace& space, double share) {
    const std::string key(space.program);
    const Point preset = preset_of(space, device_.tuning());
    KernelState& state = state_.of(key, fingerprint(space, preset, is_cpu_));
    if (state.finished) return state.result;
    stop_if_asked();
    if (share <= 0 && state.has_result) return state.result;
    TunedKernel out;
    out.name = key;
    out.preset = out.values = plain(preset);
    if (share <= 0) {
      out.message = "no time was left for it";
      return out;
    }
    try {
      KernelBench bench(device_, space, preset, is_cpu_, [this] { stop_if_asked(); });
      search(bench, space, state, seconds() + share, out);
    } catch (const BuildError&) {
      throw;  // the preset itself, which the programs would use
    } catch (const OutOfDeviceMemory& error) {
      skip(out, error);
    } catch (const Unsupported& error) {
      skip(out, error);
    }
    finish(key, out, state);
    return out;
  }

  static void skip(TunedKernel& out, const Error& error) {
    out.outcome = TuneOutcome::skipped;
    out.finished = true;
    out.message = error.what();
  }

  /// What the output file says of a kernel; empty: its preset.
  Point entry(std::string_view key) const {
    const auto found = output_.data().tunables.find(key);
    return found == output_.data().tunables.end() ? Point() : found->second;
  }

  /// What the search begins with: the entry there is, if the device can run it, else the preset.
  Point start_of(const SearchSpace& space, const Point& preset) const {
    Point start = preset;
    if (options_.restart) return start;
    for (const auto& [name, value] : entry(space.program))
      if (start.contains(name)) start[name] = value;
    return conflict_of(space, start, device_.info()).empty() ? start : preset;
  }

  DescentProblem problem_of(KernelBench& bench, const SearchSpace& space, double until) {
    DescentProblem problem;
    for (const Axis& axis : space.axes)
      problem.axes.push_back({std::string(axis.name), candidates(axis, is_cpu_)});
    for (const auto& [first, second] : space.together) problem.together.emplace_back(first, second);
    problem.text_of = [&space](const Point& p) { return text_of(space, p); };
    problem.conflict = [this, &space](const Point& p) { return conflict_of(space, p, device_.info()); };
    problem.compare = [this, &bench, &space](const Point& candidate, const Point& incumbent) {
      return attempt(bench, space, candidate, incumbent);
    };
    problem.check = [&bench](const Point& p) { return bench.check(p, Check::some); };
    problem.out_of_time = [this, until] { return stopped() || seconds() >= until; };
    return problem;
  }

  Trial attempt(KernelBench& bench, const SearchSpace& space, const Point& candidate,
                const Point& incumbent) {
    const std::string text = text_of(space, candidate);
    if (callbacks_.progress) {
      const auto done = static_cast<std::uint64_t>(std::min(seconds(), options_.seconds));
      callbacks_.progress({std::string(space.program) + " " + text, done,
                           static_cast<std::uint64_t>(options_.seconds), seconds()});
    }
    if (!state_.begin(std::string(space.program), text)) return {kRefused, "ended the process"};
    const Trial trial = bench.compare(candidate, incumbent);
    state_.end();
    return trial;
  }

  void search(KernelBench& bench, const SearchSpace& space, KernelState& state, double until,
              TunedKernel& out) {
    const Point start = start_of(space, bench.preset());
    const DescentProblem problem = problem_of(bench, space, until);
    const std::string preset_text = text_of(space, bench.preset()), start_text = text_of(space, start);
    state.memo[preset_text] = {1.0, {}};
    if (!state.memo.contains(start_text))
      state.memo[start_text] = attempt(bench, space, start, bench.preset());
    while (true) {
      const Trial& begin = state.memo[start_text];
      const bool usable = begin.cost < 1;
      const DescentResult found =
          descend(problem, usable ? start : bench.preset(), usable ? begin.cost : 1.0, state.memo);
      count(state.memo, out);
      stop_if_asked();
      out.finished = found.converged;
      if (found.best == bench.preset()) return;
      if (const std::string why = bench.check(found.best, Check::all); !why.empty()) {
        state.memo[text_of(space, found.best)] = {kRefused, why};
        continue;
      }
      const KernelBench::Confirmation confirmed = bench.confirm(found.best);
      out.speedup = confirmed.comparison.speedup;
      out.spread = confirmed.comparison.spread;
      out.cases = confirmed.cases;
      if (!confirmed.comparison.accepted()) return;
      out.outcome = TuneOutcome::faster;
      out.values = plain(found.best);
      return;
    }
  }

  static void count(const Memo& memo, TunedKernel& out) {
    out.measured = 0;
    out.rejected.clear();
    for (const auto& [point, trial] : memo) {
      if (trial.reason.empty()) ++out.measured;
      else ++out.rejected[trial.reason];
    }
  }

  void finish(const std::string& key, const TunedKernel& kernel, KernelState& state) {
    if (kernel.outcome != TuneOutcome::skipped) output_.record(kernel);
    device_.tuning().set(key, entry(key));
    state.finished = kernel.finished;
    state.result = kernel;
    state.has_result = true;
    state_.save();
    if (callbacks_.message) callbacks_.message(line_of(kernel));
  }

  static std::string line_of(const TunedKernel& kernel) {
    std::string line = kernel.name + ": " + name_of(kernel.outcome);
    if (kernel.outcome == TuneOutcome::faster) {
      line += ", " + std::to_string(kernel.speedup).substr(0, 5) + " times the preset's speed with";
      for (const auto& [name, value] : kernel.values) line += " " + name + "=" + std::to_string(value);
    }
    if (!kernel.message.empty()) line += " (" + kernel.message + ")";
    return line + (kernel.finished ? "" : "; the search goes on in the next run");
  }

  runtime::Device& device_;
  bool is_cpu_;
  TuneOptions options_;
  const Callbacks& callbacks_;
  fs::path output_path_;
  TuningOutput output_;
  TuneState state_;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace

std::string name_of(TuneOutcome outcome) {
  switch (outcome) {
    case TuneOutcome::faster: return "faster";
    case TuneOutcome::preset_stays: return "preset stays";
    case TuneOutcome::skipped: return "skipped";
  }
  return "?";
}

fs::path default_tuning_file(const DeviceInfo& info) {
  const fs::path folder = runtime::user_tuning_folder(Environment::read());
  if (folder.empty())
    throw IoError(
        "no folder for tuning files is known: neither APIQ_TUNING_DIR nor XDG_DATA_HOME nor HOME is set; use "
        "--output FILE");
  return folder / runtime::tuning_file_name(info.name);
}

fs::path tuning_file_in_use(Device& device) { return device.impl().tuning().file(); }

std::string tuning_file_note(Device& device) { return runtime::unknown_text(device.impl().tuning().file()); }

std::vector<TunableKernel> tunable_kernels(Device& device) {
  const Tuning& tuning = device.impl().tuning();
  std::vector<TunableKernel> out;
  for (const SearchSpace& space : search_spaces()) {
    TunableKernel kernel{std::string(space.program), plain(point_of(tuning.values(space.program))), 0, {}};
    if (is_searched(space, tuning.is_cpu()))
      kernel.candidates = settings(space, preset_of(space, tuning), device.info(), tuning.is_cpu());
    else kernel.reason = why_fixed(space, tuning.is_cpu());
    out.push_back(std::move(kernel));
  }
  return out;
}

TuneResult tune(Device& device, const TuneOptions& options, const Callbacks& callbacks) {
  return Tuner(device, options, callbacks).run();
}

}  // namespace apiq
