// The memory plan against the accounting of real runs: for each kind of run, budgets that fall step by step
// force every choice the plan has left. The real peak must never be above the plan, nor far below it, and no
// budget may change what is stored.
#include "calib/memory_plan.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <set>

#include "apiq/error.hpp"
#include "apiq/inspect.hpp"
#include "apiq/result.hpp"
#include "calib/options.hpp"
#include "cases/public_device.hpp"
#include "support/errors.hpp"
#include "support/paths.hpp"
#include "support/temporary_folder.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using calib::MemoryPlan;

/// The plan of a run, without the run.
MemoryPlan plan_of(const QuantizeOptions& asked, const DeviceInfo& device, std::uint64_t device_budget,
                   std::uint64_t host_budget = 0) {
  const ModelDirectory model = ModelDirectory::open(asked.model);
  const quant::MethodTraits traits = quant::make_method(asked.method)->traits();
  const QuantizeOptions options = calib::resolve_options(asked, traits, model.config());
  return calib::make_plan({.model = model,
                           .options = options,
                           .train = train_of(options.method),
                           .traits = traits,
                           .num_samples = options.calibration.empty() ? 0 : std::uint32_t{options.samples},
                           .device_budget = device_budget,
                           .host_budget = host_budget,
                           .process_bytes = current_host_bytes(),
                           .shares_host_memory = device.shares_host_memory,
                           .compute_units = device.compute_units});
}

struct Case {
  std::string name;
  std::function<void(QuantizeOptions&)> change;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class MemoryPlanTest : public ::testing::TestWithParam<Case> {
 protected:
  QuantizeOptions options(const std::string& output) const {
    QuantizeOptions o;
    o.model = fs::path(APIQ_SOURCE_DIR) / "data" / "novels-6m";
    o.output = folder_.path() / output;
    o.calibration = {o.model / "calibration.txt"};
    o.samples = 12;
    o.sequence_length = 64;
    GetParam().change(o);
    if (auto* train = part_of<TrainOptions>(o.method)) train->epochs = 1;
    if (auto* lora = part_of<LoraOptions>(o.method)) lora->rank = 16;
    return o;
  }

  /// Runs with this budget on a device of its own, whose peak is that of this run alone.
  std::uint64_t run(const QuantizeOptions& o, std::uint64_t budget) {
    DeviceOptions device_options;
    if (const char* selector = std::getenv("APIQ_DEVICE")) device_options.selector = selector;
    device_options.memory_bytes = budget;
    Device device = Device::open(device_options);
    quantize(device, o);
    return device.peak_bytes();
  }

  static std::string text(const calib::PlanChoice& c) {
    return std::string("residuals ") + std::string(name_of(c.residuals)) + ", inner " +
           std::string(name_of(c.inner)) + (c.prefetch ? ", prefetch" : "") +
           (c.keep_effective_weights ? ", keeps weights" : "");
  }

  test::TemporaryFolder folder_;
};

TEST_P(MemoryPlanTest, HoldsForEveryChoiceAndNoChoiceChangesTheResult) {
  const DeviceInfo& info = testing::public_device().info();
  std::uint64_t budget = std::uint64_t{2} << 30;
  std::set<calib::Placement> residuals;
  std::set<bool> prefetch;
  std::string first;
  for (int step = 0;; ++step) {
    const QuantizeOptions o = options("out" + std::to_string(step) + ".h5");
    MemoryPlan plan;
    try {
      plan = plan_of(o, info, budget);
    } catch (const OutOfDeviceMemory& error) {
      EXPECT_THROW(run(o, budget), OutOfDeviceMemory);
      EXPECT_FALSE(fs::exists(o.output));
      break;
    }
    SCOPED_TRACE(text(plan.choice));
    // Step 0 may use what it likes; after that, exactly what was planned is there.
    const std::uint64_t peak = run(o, plan.device_bytes);
    EXPECT_LE(peak, plan.device_bytes);
    EXPECT_LE(static_cast<double>(plan.device_bytes), 1.15 * static_cast<double>(peak));
    if (first.empty()) first = o.output.string();
    else EXPECT_TRUE(compare(first, o.output).empty());
    residuals.insert(plan.choice.residuals);
    prefetch.insert(plan.choice.prefetch);
    budget = plan.device_bytes - 1;
  }
  EXPECT_EQ(prefetch.size(), 2u);
  // Two samples take as much device memory elsewhere as here, so there is no reason to move them.
  const QuantizeOptions any = options("any");
  if (!any.calibration.empty() && any.samples > 2u) {
    EXPECT_EQ(residuals.size(), 2u);
  }
}

/// A host budget below what streams in memory would take: they go to files, and the result stays the same.
TEST(MemoryPlan, ActivationsGoToFilesWhereTheHostBudgetAsksForIt) {
  const test::TemporaryFolder folder;
  QuantizeOptions o;
  o.model = fs::path(APIQ_SOURCE_DIR) / "data" / "novels-6m";
  o.output = folder.path() / "large.h5";
  o.calibration = {o.model / "calibration.txt"};
  o.method = RtnOptions();
  o.samples = 96;
  o.sequence_length = 128;  // both streams are 24 MiB; through files they take 9 MiB of buffers
  quantize(testing::public_device(), o);
  const fs::path large = o.output;
  const DeviceInfo& info = testing::public_device().info();
  constexpr std::uint64_t kMiB = 1 << 20;
  // The least that works, as a user would find it: in the refusal of far too little.
  const std::string text = test::error_text<OutOfHostMemory>([&] { plan_of(o, info, 1024 * kMiB, kMiB); });
  const std::string option = "--host-memory ";
  ASSERT_NE(text.find(option), std::string::npos) << text;
  // Room for what this process may grow by meanwhile, less than a stream.
  o.host_memory_bytes = std::stoull(text.substr(text.find(option) + option.size())) * kMiB + 5 * kMiB;
  const MemoryPlan plan = plan_of(o, info, 1024 * kMiB, o.host_memory_bytes);
  EXPECT_EQ(plan.choice.residuals, calib::Placement::file);
  EXPECT_EQ(plan.choice.inner, calib::Placement::file);
  o.output = folder.path() / "small.h5";
  DeviceOptions device_options;
  if (const char* selector = std::getenv("APIQ_DEVICE")) device_options.selector = selector;
  device_options.memory_bytes = 1024 * kMiB;
  Device device = Device::open(device_options);
  quantize(device, o);
  EXPECT_TRUE(compare(large, o.output).empty());
}

INSTANTIATE_TEST_SUITE_P(
    Calib, MemoryPlanTest,
    ::testing::Values(Case{"rtn", [](auto& o) { o.method = RtnOptions(); }},
                      Case{"rtn_without_text",
                           [](auto& o) {
                             o.method = RtnOptions();
                             o.calibration.clear();
                             o.samples = o.sequence_length = {};
                           }},
                      Case{"apiq_lw", [](auto& o) { o.method = ApiqLwOptions(); }},
                      Case{"apiq_lw_gram",
                           [](auto& o) {
                             ApiqLwOptions method;
                             method.gram = true;
                             o.method = method;
                           }},
                      Case{"apiq_lw_best_batch",
                           [](auto& o) {
                             ApiqLwOptions method;
                             method.batch_size = 2;
                             o.method = method;
                           }},
                      Case{"apiq_bw", [](auto&) {}},
                      Case{"apiq_bw_aug", [](auto& o) { std::get<ApiqBwOptions>(o.method).aug_loss = true; }},
                      Case{"apiq_bw_long",
                           [](auto& o) {  // activations of a step matter
                             o.samples = 2;
                             o.sequence_length = 512;
                           }},
                      Case{"apiq_bw_best", [](auto& o) { part_of<TrainOptions>(o.method)->recipe = "best"; }},
                      Case{"apiq_bw_batch_mixed",
                           [](auto& o) {
                             ApiqBwOptions method;
                             method.batch_size = 2;
                             method.aug_loss = true;
                             o.method = method;
                             o.modules = {"q_proj", "v_proj", "mlp.*"};
                             o.overrides = {parse_override("down_proj=bits:4,group-size:32,rank:32")};
                           }}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace apiq
