// The table of candidates against the registry: nothing forgotten, nothing that the kernels' headers forbid.
#include "tune/search_space.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "apiq/error.hpp"
#include "ops/self_test/cases.hpp"
#include "support/paths.hpp"
#include "tune/timing_cases.hpp"

namespace apiq {
namespace {

using tuning::Axis;
using tuning::Point;
using tuning::SearchSpace;

const SearchSpace* space_of(std::string_view program) {
  for (const SearchSpace& space : tuning::search_spaces())
    if (space.program == program) return &space;
  return nullptr;
}

TEST(SearchSpace, EveryTunableOfEveryKernelIsSearchedOrKeptForAReason) {
  for (const auto& spec : runtime::kernel_specs()) {
    if (spec.tunables.empty()) continue;
    const SearchSpace* space = space_of(spec.name);
    ASSERT_NE(space, nullptr) << spec.name
                              << " has tunables: give it a row in src/tune/search_space_table.cpp (a fixed() "
                                 "one with a reason will do)";
    std::set<std::string_view> tunables, axes;
    for (const auto& tunable : spec.tunables) tunables.insert(tunable.name);
    for (const Axis& axis : space->axes) {
      EXPECT_TRUE(axes.insert(axis.name).second) << spec.name << "." << axis.name << " twice";
      if (axis.cpu.empty() && axis.gpu.empty()) {
        EXPECT_FALSE(axis.reason.empty())
            << spec.name << "." << axis.name << " has neither candidates nor a reason";
      }
    }
    EXPECT_EQ(axes, tunables) << "src/tune/search_space_table.cpp and the registry disagree on " << spec.name;
    for (const auto& [first, second] : space->together)
      EXPECT_TRUE(axes.contains(first) && axes.contains(second)) << first << " with " << second;
  }
  for (const SearchSpace& space : tuning::search_spaces())
    EXPECT_NO_THROW(runtime::kernel_spec(space.program)) << space.program;
  EXPECT_THROW(tuning::search_space("no such kernel"), InvalidArgument);
}

TEST(SearchSpace, WhatIsSearchedCanBeTimedAndChecked) {
  using namespace ops::self_test;
  std::set<std::string> checked;
  for (const auto& part : {matmul_cases(), packed_cases(), quant_cases(), nn_cases(), loss_cases()})
    for (const Case& test : part) checked.insert(test.kernel);
  for (const SearchSpace& space : tuning::search_spaces()) {
    for (const bool is_cpu : {true, false}) {
      if (is_searched(space, is_cpu)) {
        EXPECT_FALSE(tuning::timing_cases(space.program, is_cpu).empty()) << space.program;
        EXPECT_FALSE(space.verified_by.empty()) << space.program;
      } else {
        EXPECT_FALSE(why_fixed(space, is_cpu).empty()) << space.program;
      }
    }
    for (const auto kernel : space.verified_by)
      EXPECT_TRUE(checked.contains(std::string(kernel))) << space.program << " is verified by " << kernel;
  }
}

TEST(SearchSpace, PresetsAreAllowedAndHaveNeighbours) {
  DeviceInfo pocl, gpu;
  pocl.max_work_group_size = 4096;
  pocl.local_bytes = 1 << 20;
  gpu.max_work_group_size = 256;  // the least that GPUs have, with the local memory OpenCL 1.2 asks for
  gpu.local_bytes = 32 << 10;
  for (const SearchSpace& space : tuning::search_spaces()) {
    for (const bool is_cpu : {true, false}) {
      const auto& info = is_cpu ? pocl : gpu;
      Point preset;
      for (const auto& tunable : runtime::kernel_spec(space.program).tunables)
        preset[std::string(tunable.name)] = is_cpu ? tunable.cpu : tunable.gpu;
      if (is_cpu || !space.local_bytes ||
          space.program.substr(0, 9) != "attention") {  // attention shrinks its tiles by itself
        EXPECT_EQ(conflict_of(space, preset, info), "") << space.program << ": " << text_of(space, preset);
      }
      if (is_searched(space, is_cpu)) {
        EXPECT_GT(settings(space, preset, info, is_cpu), 1u) << space.program;
      }
    }
  }
}

TEST(SearchSpace, ConstraintsOfTheKernelHeadersHold) {
  DeviceInfo info;
  info.max_work_group_size = 256;
  info.local_bytes = 32 << 10;
  const auto conflict = [&](std::string_view key, const Point& point) {
    return conflict_of(tuning::search_space(key), point, info);
  };
  EXPECT_EQ(conflict("qgemv", {{"VW", 4}, {"RV", 8}, {"LS", 1}, {"KS", 1}, {"EXTRACT", 2}, {"AHEAD", 1}}),
            "");
  EXPECT_NE(conflict("qgemv", {{"VW", 16}, {"RV", 4}, {"LS", 1}, {"KS", 1}}), "")
      << "64 rows are more than a block";
  EXPECT_EQ(conflict("qgemv", {{"VW", 1}, {"RV", 1}, {"LS", 64}, {"KS", 8}}), "work-group too large");
  EXPECT_EQ(conflict("gemm", {{"VW", 4}, {"LX", 16}, {"LY", 16}, {"MR", 8}, {"NV", 4}, {"KC", 32}}),
            "too much local memory");
  EXPECT_NE(conflict("gemm_block", {{"VW", 16}, {"NV", 1}, {"MR", 6}, {"TILES", 2}, {"KC", 24}}), "")
      << "KC a multiple of VW";
  EXPECT_NE(conflict("attention_decode", {{"VW", 16}, {"LK", 1}, {"KS", 1}, {"BK", 8}}), "")
      << "BK a multiple of VW";
  EXPECT_NE(conflict("adamw", {{"VW", 4}, {"WG", 256}, {"WG_ELEMENTS", 512}}), "");
  EXPECT_NE(
      conflict("attention",
               {{"VW", 1}, {"TR", 8}, {"TD", 16}, {"BK", 16}, {"KC", 2}, {"DC", 8}, {"DS", 32}, {"VS", 16}}),
      "")
      << "TD * KC divides BK";
}

TEST(TuningFiles, ShippedOnesNameWhatThereIsAndKeepTheConstraints) {
  DeviceInfo info;
  info.max_work_group_size = 4096;
  info.local_bytes = 1 << 20;
  for (const auto& entry : std::filesystem::directory_iterator(APIQ_SOURCE_DIR "/data/tuning")) {
    if (entry.path().extension() != ".json") continue;
    for (const auto& [key, values] : runtime::read_tuning_file(entry.path()).tunables) {
      const SearchSpace& space = tuning::search_space(key);
      Point point;
      for (const auto& tunable : runtime::kernel_spec(space.program).tunables)
        point[std::string(tunable.name)] = tunable.cpu;
      for (const auto& [name, value] : values) {
        EXPECT_TRUE(point.contains(name))
            << entry.path() << ": " << key << " has no tunable " << name << "; run apiq-tune again";
        point[name] = value;
      }
      EXPECT_EQ(conflict_of(space, point, info), "")
          << entry.path() << ": " << key << ": run apiq-tune again";
    }
  }
}

}  // namespace
}  // namespace apiq
