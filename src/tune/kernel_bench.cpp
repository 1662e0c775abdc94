#include "tune/kernel_bench.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "apiq/error.hpp"
#include "ops/fast_path/fast_path.hpp"
#include "ops/self_test/cases.hpp"

namespace apiq::tuning {

namespace {

constexpr double kSampleMs = 15;  // long enough that clock, launch and the waking of a second core are noise
constexpr int kSearchRounds = 3, kConfirmRounds = 11;
// A candidate this much slower than the incumbent is not worth more rounds: in its first call (which may
// still be cold), in its first round, over the cases so far.
constexpr double kHopelessCall = 4, kHopelessRound = 1.4, kHopelessSoFar = 1.15;
constexpr std::size_t kSomeCases = 4;

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// What a device does with a setting that it cannot run; nothing if it ran.
std::optional<std::string> refusal(const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const BuildError&) {
    return "refused by the compiler";
  } catch (const OutOfDeviceMemory&) {
    return "out of memory";
  } catch (const Unsupported&) {
    return "out of resources";
  } catch (const DeviceError&) {
    return "refused by the device";
  } catch (const InvalidArgument&) {
    return "refused by the launcher";
  }
}

std::vector<ops::self_test::Case> self_test_cases(const std::vector<std::string_view>& kernels) {
  using namespace ops::self_test;
  std::vector<Case> out;
  for (const auto& part : {matmul_cases(), packed_cases(), quant_cases(), nn_cases(), loss_cases()})
    for (const Case& test : part)
      if (std::find(kernels.begin(), kernels.end(), test.kernel) != kernels.end()) out.push_back(test);
  return out;
}

}  // namespace

KernelBench::KernelBench(runtime::Device& device, const SearchSpace& space, Point preset, bool is_cpu,
                         std::function<void()> between)
    : device_(device),
      portable_(device.queue()),
      space_(space),
      preset_(std::move(preset)),
      between_(std::move(between)) {
  use(preset_);
  for (TimingCase& description : timing_cases(space.program, is_cpu)) {
    Timed timed{std::move(description), {}};
    timed.call = timed.description.prepare(device.queue());
    sample_ms(timed, 1);  // compiles
    timed.call_ms = sample_ms(timed, 1);
    timed.calls = static_cast<int>(std::clamp(kSampleMs / std::max(timed.call_ms, 1e-3), 1.0, 500.0));
    cases_.push_back(std::move(timed));
  }
}

KernelBench::~KernelBench() = default;

void KernelBench::use(const Point& point) { device_.tuning().set(std::string(space_.program), point); }

double KernelBench::sample_ms(Timed& timed, int calls) {
  between_();
  for (int i = 0; i < calls / 4; ++i) timed.call();
  device_.queue().finish();
  const double begin = now_ms();
  for (int i = 0; i < calls; ++i) timed.call();
  device_.queue().finish();
  return (now_ms() - begin) / calls;
}

Trial KernelBench::compare(const Point& candidate, const Point& incumbent) {
  double log_sum = 0;
  std::size_t done = 0;
  for (Timed& timed : cases_) {
    double first = 0, old_ms = kRefused, new_ms = kRefused;
    use(candidate);
    if (const auto why = refusal([&] {
          sample_ms(timed, 1);  // compiles
          first = sample_ms(timed, 1);
        }))
      return {kRefused, *why};
    if (first > kHopelessCall * timed.call_ms + 1) return {first / timed.call_ms, {}};
    for (int round = 0; round < kSearchRounds; ++round) {
      use(incumbent);
      old_ms = std::min(old_ms, sample_ms(timed, timed.calls));
      use(candidate);
      if (const auto why = refusal([&] { new_ms = std::min(new_ms, sample_ms(timed, timed.calls)); }))
        return {kRefused, *why};
      if (new_ms > kHopelessRound * old_ms) return {new_ms / old_ms, {}};
    }
    log_sum += std::log(new_ms / old_ms);
    const double so_far = std::exp(log_sum / static_cast<double>(++done));
    if (so_far > kHopelessSoFar) return {so_far, {}};
  }
  return {std::exp(log_sum / static_cast<double>(done)), {}};
}

std::string KernelBench::check(const Point& point, Check how_many) {
  const std::vector<ops::self_test::Case> cases = self_test_cases(space_.verified_by);
  const std::size_t step = how_many == Check::all ? 1 : std::max<std::size_t>(1, cases.size() / kSomeCases);
  use(point);
  for (std::size_t i = 0; i < cases.size(); i += step) {
    between_();
    bool right = false;
    const auto why = refusal([&] {
      const ops::self_test::Measure measure = cases[i].run(device_.queue());
      right = measure.error <= measure.tolerance;  // false for NaN
    });
    if (why) return *why;
    if (!right) return "wrong result";
  }
  return {};
}

KernelBench::Confirmation KernelBench::confirm(const Point& found) {
  std::vector<std::vector<double>> preset_ms(kConfirmRounds), found_ms(kConfirmRounds);
  for (int round = 0; round < kConfirmRounds; ++round)
    for (Timed& timed : cases_)
      for (const bool preset : {round % 2 == 0, round % 2 != 0}) {
        use(preset ? preset_ : found);
        (preset ? preset_ms : found_ms)[static_cast<std::size_t>(round)].push_back(
            sample_ms(timed, timed.calls));
      }
  Confirmation out{compare_rounds(preset_ms, found_ms), {}};
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    std::vector<double> before, after;
    for (const auto& round : preset_ms) before.push_back(round[i]);
    for (const auto& round : found_ms) after.push_back(round[i]);
    const TimingCase& d = cases_[i].description;
    out.cases.push_back({d.name, d.bytes, d.flops, median(before), median(after)});
  }
  return out;
}

}  // namespace apiq::tuning
