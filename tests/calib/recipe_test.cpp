// Recipes end to end on the bundled model: what they must not change (stored bytes), and what each start
// value must do.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "apiq/quantize.hpp"
#include "cases/public_device.hpp"
#include "io/checkpoint.hpp"
#include "support/paths.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;

class RecipeTest : public ::testing::Test {
 protected:
  using Change = std::function<void(ApiqBwOptions&)>;
  QuantizeResult run(const std::string& name, const Change& change) {
    ApiqBwOptions method;
    method.epochs = 1;
    method.rank = 8;
    change(method);
    return run(name, MethodOptions(method));
  }
  QuantizeResult run(const std::string& name, const MethodOptions& method) {
    QuantizeOptions o;
    o.model = fs::path(APIQ_SOURCE_DIR) / "data" / "novels-6m";
    o.output = folder_.path() / name;
    o.calibration = {o.model / "calibration.txt"};
    o.samples = 4;
    o.sequence_length = 64;
    o.method = method;
    return quantize(testing::public_device(), o);
  }
  double last_error(const Change& change) { return run("out.h5", change).blocks.back().relative_error; }

  /// Bytes of each linear: codes with scales and zero points, and LoRA.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> stored_bytes(const std::string& name) const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    const auto reader = CheckpointReader::open(folder_.path() / name);
    for (const auto& linear : reader.linears()) {
      const QuantizedLinear stored = reader.read_linear(linear.name);
      out.emplace_back(stored.weight.layout.bytes(), stored.adapter_bytes());
    }
    return out;
  }

  test::TemporaryFolder folder_;
};

TEST_F(RecipeTest, BestStoresExactlyTheBytesOfPaper) {
  run("paper.h5", [](auto& o) { o.recipe = "paper"; });
  run("best.h5", [](auto& o) { o.recipe = "best"; });
  EXPECT_EQ(stored_bytes("paper.h5").size(), 42u);
  EXPECT_EQ(stored_bytes("paper.h5"), stored_bytes("best.h5"));
}

TEST_F(RecipeTest, StartsOfLoraBeatRoundingBeforeAnyTraining) {
  const double rtn = run("out.h5", MethodOptions(RtnOptions())).blocks.back().relative_error;
  for (const LoraInit init : {LoraInit::svd, LoraInit::svd_saliency, LoraInit::cloq}) {
    const double started = last_error([&](auto& o) {
      o.epochs = 0;
      o.rank = 16;
      o.lora_init = init;
    });
    EXPECT_LT(started, 0.8 * rtn) << static_cast<int>(init);
  }
  const double best = last_error([](auto& o) {
    o.recipe = "best";
    o.epochs = 0;
    o.rank = 16;
  });
  EXPECT_LT(best, 0.8 * rtn);
}

/// What the range search minimizes is the error of the weights, not that of the block's output.
TEST_F(RecipeTest, RangeOfLeastErrorLowersTheErrorOfEveryWeight) {
  const auto range = [&](RangeInit init) {
    return run("range.h5", [&](auto& o) {
      o.epochs = 0;
      o.rank = 0;
      o.range_init = init;
    });
  };
  const auto plain = range(RangeInit::minmax), searched = range(RangeInit::mse);
  for (std::size_t block = 0; block < plain.blocks.size(); ++block)
    for (std::size_t l = 0; l < plain.blocks[block].linears.size(); ++l)
      EXPECT_LT(searched.blocks[block].linears[l].weight_error, plain.blocks[block].linears[l].weight_error)
          << block << " " << l;
}

TEST_F(RecipeTest, BestWorksWithoutLoraAndTrainingHelps) {
  const auto best = [&](std::uint32_t epochs) {
    return run("best.h5", [&](auto& o) {
      o.recipe = "best";
      o.rank = 0;
      o.epochs = epochs;
    });
  };
  const auto trained = best(2), started = best(0);
  EXPECT_EQ(trained.adapter_bits_per_weight, 0.0);
  EXPECT_LT(trained.blocks.back().relative_error, started.blocks.back().relative_error);
}

}  // namespace
}  // namespace apiq
