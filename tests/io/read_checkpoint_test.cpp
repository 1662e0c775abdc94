// A reader written from the documents alone (scripts/read_checkpoint.py: h5py, numpy) against ours, bit for
// bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "io/tiny_checkpoint.hpp"
#include "support/paths.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

using namespace testing_support;
using testing::ContainsRegex;
using testing::HasSubstr;

constexpr const char* kPython = "/usr/bin/python3";

int run(const std::string& command) { return std::system(command.c_str()); }

TEST(ReadCheckpointScript, DequantizesToTheSameBits) {
  if (run(std::string(kPython) + " -c 'import h5py, numpy' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "python3-h5py is not installed";
  const TemporaryFolder folder;
  TinyCheckpoint tiny = make_tiny(11);
  leave_dense(tiny, "model.layers.0.self_attn.o_proj", DType::bf16);
  leave_dense(tiny, "model.layers.0.mlp.up_proj", DType::f16);
  write_tiny(folder / "m.h5", tiny);
  const std::string dump = (folder / "dump").string(), out = (folder / "out").string();
  ASSERT_EQ(run(std::string(kPython) + " '" APIQ_SOURCE_DIR "/scripts/read_checkpoint.py' '" +
                (folder / "m.h5").string() + "' --dump '" + dump + "' >'" + out + "'"),
            0);
  for (const auto& [name, linear] : tiny.linears) {
    const std::vector<float> expected = dequantize(linear.weight);
    const std::string found = read_file(dump + "/" + name + ".f32");
    ASSERT_EQ(found.size(), expected.size() * sizeof(float)) << name;
    EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size()), 0) << name;
  }
  for (std::size_t i = 0; i < tiny.infos.size(); ++i) {
    if (!is_linear_weight(parse_model_config(kTinyConfig, "tiny"), tiny.infos[i].name)) continue;
    const std::vector<float> expected = to_f32(tiny.infos[i].dtype, tiny.tensors[i], tiny.infos[i].name);
    const std::string found =
        read_file(dump + "/" + tiny.infos[i].name.substr(0, tiny.infos[i].name.size() - 7) + ".f32");
    ASSERT_EQ(found.size(), expected.size() * sizeof(float)) << tiny.infos[i].name;
    EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size()), 0) << tiny.infos[i].name;
  }
  const std::string table = read_file(out);
  EXPECT_THAT(table, HasSubstr("apiq-lw"));
  EXPECT_THAT(
      table,
      ContainsRegex("mlp.down_proj +32x172 +4 +43 +0 +0 +float16"));  // h5py sees our type as its float16
  EXPECT_THAT(table, ContainsRegex("norm.weight +32 bf16"));
}

}  // namespace
}  // namespace apiq
