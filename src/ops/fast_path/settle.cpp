// From table rows to decisions: setting, gate, cache, then probe, known answers, comparison and timing.
#include <algorithm>
#include <utility>

#include "apiq/error.hpp"
#include "ops/fast_path/fast_path.hpp"
#include "ops/fast_path/trial.hpp"
#include "ops/gemm.hpp"
#include "runtime/install_paths.hpp"

namespace apiq::ops {

using runtime::FastPathCache;
using runtime::FastPathSetting;
using runtime::FastPathState;

namespace {

/// A path must win by this much: less is noise, and a choice that flips between runs changes last bits.
constexpr double kLeastGain = 1.05;

FastPathReport refused(FastPathReport report, std::string stage, std::string reason) {
  report.stage = std::move(stage);
  report.reason = std::move(reason);
  return report;
}

/// Everything about the path that needs the device and not the setting. `lasting`: worth keeping for the next
/// run.
FastPathReport tried(Queue& queue, const FastPath& path, bool& lasting) {
  FastPathReport report;
  report.path = path.name;
  const char* stage = "probe";
  try {
    std::string reason = path.probe(queue);
    stage = "self-test";
    if (!reason.empty()) return refused(report, stage, std::move(reason));
    if (reason = known_answers(queue, path); !reason.empty())
      return refused(report, stage, std::move(reason));
    stage = "comparison";
    if (reason = comparison(queue, path); !reason.empty()) return refused(report, stage, std::move(reason));
    stage = "timing";
    report.speeds = speeds(queue, path);
    report.accepted = true;
  } catch (const BuildError& error) {
    report.log = error.log();
    return refused(report, stage, error.what());
  } catch (const OutOfDeviceMemory& error) {
    lasting = false;  // says nothing about the path
    return refused(report, stage, error.what());
  } catch (const Error& error) {
    return refused(report, stage, error.what());
  }
  return report;
}

FastPathReport cached_or_tried(Queue& queue, const FastPath& path, const FastPathCache& cache) {
  const std::string identity = path.identity(queue);
  if (auto kept = cache.load(path.name, identity)) return *kept;
  cache.begin(path.name, identity);
  bool lasting = true;
  FastPathReport report = tried(queue, path, lasting);
  if (lasting) cache.store(report, identity);
  else cache.forget(path.name, identity);
  return report;
}

double ratio_of(const FastPathReport& report, ProductKind product, Rows rows) {
  for (const FastPathSpeed& speed : report.speeds)
    if (speed.product == name_of(product) && speed.rows == name_of(rows)) return speed.ratio;
  return 0;
}

std::string shown(double ratio) {
  const auto hundredths = static_cast<long>(ratio * 100 + 0.5);
  return std::to_string(hundredths / 100) + "." + std::to_string(hundredths / 10 % 10) +
         std::to_string(hundredths % 10);
}

/// Which path takes which products: of those that are right, the fastest.
class Contest {
 public:
  Contest(FastPathState& state, const FastPathSetting& setting) : state_(state), setting_(setting) {
    best_.fill(kLeastGain);
  }

  void enter(int row, const FastPath& path, const FastPathReport& report) {
    if (!report.accepted) return;
    const bool forced = setting_.forces(path.name);
    for (const ProductKind product : path.products)
      for (const Rows rows : {Rows::few, Rows::many}) {
        const double ratio = ratio_of(report, product, rows);
        int& choice = state_.choice(path.rounding, product, rows);
        double& best = best_[static_cast<std::size_t>(&choice - state_.choices.data())];
        if (ratio < best && !(forced && choice == FastPathState::kPortable)) continue;
        best = std::max(best, ratio);
        choice = row;
      }
  }

  /// After all have entered.
  void announce(int row, FastPathReport& report) const {
    if (!report.accepted) return;
    report.used = std::find(state_.choices.begin(), state_.choices.end(), row) != state_.choices.end();
    if (report.used) return;
    double most = 0;
    for (const FastPathSpeed& speed : report.speeds) most = std::max(most, speed.ratio);
    report.stage = "timing";
    report.reason = most < kLeastGain
                        ? "right, but at best " + shown(most) + " times as fast as the portable kernel"
                        : "right, but another path is faster";
  }

 private:
  FastPathState& state_;
  const FastPathSetting& setting_;
  std::array<double, runtime::kRoundings * runtime::kProducts * runtime::kRowClasses> best_{};
};

}  // namespace

std::vector<std::string> names_of(const std::vector<FastPath>& table) {
  std::vector<std::string> out;
  for (const FastPath& path : table) out.push_back(path.name);
  return out;
}

FastPathReport gate_report(const DeviceInfo& device, const FastPath& path, const FastPathSetting& setting) {
  FastPathReport report;
  report.path = path.name;
  if (std::string reason = path.gate(device); !reason.empty())
    return refused(report, "gate", std::move(reason));
  if (setting.allows(path.name, path.by_name_only)) return report;
  return refused(report, "setting",
                 path.by_name_only ? "a path for tests, which APIQ_FAST_PATHS must name"
                                   : "APIQ_FAST_PATHS='" + setting.text() + "' leaves it out");
}

void settle(Queue& queue, const std::vector<FastPath>& table, const FastPathSetting& setting,
            const FastPathCache& cache) {
  FastPathState& state = queue.device().fast_paths();
  if (state.phase != FastPathState::Phase::open) return;
  state.phase = FastPathState::Phase::trying;  // products of the trials themselves go to the portable kernels
  Contest contest(state, setting);
  for (const FastPath& path : table) {
    FastPathReport report = gate_report(queue.device().info(), path, setting);
    if (report.stage.empty() && path.rounding != Rounding::none && queue.device().compute() == Compute::f32)
      report = refused(std::move(report), "setting", "the run asks for products of f32 (--compute f32)");
    if (report.stage.empty()) report = cached_or_tried(queue, path, cache);
    state.reports.push_back(std::move(report));
  }
  for (std::size_t row = 0; row < table.size(); ++row)
    contest.enter(static_cast<int>(row), table[row], state.reports[row]);
  for (std::size_t row = 0; row < table.size(); ++row)
    contest.announce(static_cast<int>(row), state.reports[row]);
  state.phase = FastPathState::Phase::settled;
}

void settle_fast_paths(Queue& queue) {
  if (queue.device().fast_paths().phase != FastPathState::Phase::open) return;
  const auto& table = fast_path_table();
  const Environment& environment = queue.device().environment();
  settle(queue, table, FastPathSetting::parse(environment.fast_paths, names_of(table)),
         FastPathCache(queue.device().info(), runtime::cache_folder(environment), environment.build_options));
}

PortableOnly::PortableOnly(Queue& queue)
    : state_(queue.device().fast_paths()), before_(std::exchange(state_, FastPathState{})) {
  state_.phase = FastPathState::Phase::settled;
}

PortableOnly::~PortableOnly() { state_ = std::move(before_); }

std::map<std::string, std::string> chosen_paths(Queue& queue) {
  settle_fast_paths(queue);
  FastPathState& state = queue.device().fast_paths();
  std::map<std::string, std::string> out{{"f32.engine", gemm_engine(queue)}};
  for (int r = 0; r < runtime::kRoundings; ++r)
    for (int p = 0; p < runtime::kProducts; ++p)
      for (const Rows rows : {Rows::few, Rows::many}) {
        const auto rounding = static_cast<Rounding>(r);
        const auto product = static_cast<ProductKind>(p);
        const int row = state.choice(rounding, product, rows);
        if (row == FastPathState::kPortable) continue;
        out[std::string(name_of(rounding)) + "." + std::string(name_of(product)) + "." +
            std::string(name_of(rows))] = fast_path_table()[static_cast<std::size_t>(row)].name;
      }
  return out;
}

const FastPath* chosen_path(Queue& queue, Rounding rounding, ProductKind product, std::uint64_t rows) {
  if (rows < 2) return nullptr;
  FastPathState& state = queue.device().fast_paths();
  if (state.phase == FastPathState::Phase::open) settle_fast_paths(queue);
  if (state.phase != FastPathState::Phase::settled) return nullptr;
  const int row = state.choice(rounding, product, runtime::rows_class(rows));
  if (row == FastPathState::kPortable) return nullptr;
  const FastPath& path = fast_path_table()[static_cast<std::size_t>(row)];
  state.used |= std::uint64_t{1} << row;
  return &path;
}

}  // namespace apiq::ops

namespace apiq {

std::vector<FastPathReport> fast_paths(Device& device) {
  ops::settle_fast_paths(device.impl().queue());
  return device.impl().fast_paths().reports;
}

std::vector<FastPathReport> fast_path_gates(const DeviceInfo& device) {
  const auto& table = ops::fast_path_table();
  const auto setting = runtime::FastPathSetting::parse(Environment::read().fast_paths, ops::names_of(table));
  std::vector<FastPathReport> out;
  for (const ops::FastPath& path : table) out.push_back(ops::gate_report(device, path, setting));
  return out;
}

std::vector<std::string> fast_paths_used(const Device& device) {
  const auto& table = ops::fast_path_table();
  std::vector<std::string> out;
  for (std::size_t row = 0; row < table.size(); ++row)
    if (device.impl().fast_paths().used >> row & 1) out.push_back(table[row].name);
  return out;
}

}  // namespace apiq
