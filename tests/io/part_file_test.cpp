// Part files: back as written, equal bytes for equal parts, damage found, a full disk survived.
#include "io/part_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "apiq/error.hpp"
#include "io/h5_edit.hpp"
#include "io/tiny_checkpoint.hpp"
#include "support/errors.hpp"
#include "support/full_disk.hpp"
#include "util/atomic_file.hpp"
#include "util/sha256.hpp"

namespace apiq {
namespace {

using namespace testing_support;
using testing::HasSubstr;
namespace fs = std::filesystem;

/// In the order of solving, which is not the order of names; of bits 2, 3, 4, 8 and ranks 0 and 4.
BlockPart make_part(std::uint32_t seed = 7) {
  const TinyCheckpoint tiny = make_tiny(seed);
  BlockPart part{.block = 0, .linears = {}, .report_json = R"({"loss":0.125})"};
  for (const std::string& name : linear_names(parse_model_config(kTinyConfig, "tiny"))) {
    part.linears.emplace_back(name, tiny.linears.at(name));
  }
  return part;
}

BlockPart read(const fs::path& path) { return read_part(path, parse_model_config(kTinyConfig, "tiny")); }

bool equal(const QuantizedLinear& a, const QuantizedLinear& b) {
  return a.weight == b.weight && a.symmetric == b.symmetric && a.rank == b.rank && a.alpha == b.alpha &&
         a.lora_A == b.lora_A && a.lora_B == b.lora_B;
}

bool equal(const BlockPart& a, const BlockPart& b) {
  if (a.block != b.block || a.report_json != b.report_json || a.linears.size() != b.linears.size())
    return false;
  for (std::size_t i = 0; i < a.linears.size(); ++i)
    if (a.linears[i].first != b.linears[i].first || !equal(a.linears[i].second, b.linears[i].second))
      return false;
  return true;
}

TEST(PartFile, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  const BlockPart part = make_part();
  const std::string hash = write_part(folder / "p.h5", part);
  EXPECT_EQ(hash, sha256_of(read_file(folder / "p.h5")));
  EXPECT_TRUE(equal(read(folder / "p.h5"), part));
  const BlockPart empty{
      .block = 0, .linears = {}, .report_json = ""};  // --modules may leave a block nothing to quantize
  write_part(folder / "e.h5", empty);
  EXPECT_TRUE(equal(read(folder / "e.h5"), empty));
}

TEST(PartFile, SamePartGivesSameBytesAtAnotherTime) {
  const TemporaryFolder folder;
  const std::string first = write_part(folder / "a.h5", make_part());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5's time stamps count seconds
  EXPECT_EQ(write_part(folder / "b.h5", make_part()), first);
  EXPECT_NE(write_part(folder / "c.h5", make_part(8)), first);
  EXPECT_EQ(write_part(folder / "c.h5", make_part()), first);  // replaced
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 3);
}

TEST(PartFile, ACheckpointThroughPartsHasTheSameBytes) {
  const TemporaryFolder folder;
  const TinyCheckpoint tiny = make_tiny();
  const BlockPart direct = make_part();
  write_part(folder / "p.h5", direct);
  const BlockPart through = read(folder / "p.h5");
  for (const auto& [name, part] : {std::pair("direct.h5", &direct), std::pair("through.h5", &through)}) {
    CheckpointWriter writer(folder / name, tiny.meta);
    for (const auto& [linear, values] : part->linears) writer.add_linear(linear, values);
    for (std::size_t i = 0; i < tiny.infos.size(); ++i) writer.add_tensor(tiny.infos[i], tiny.tensors[i]);
    writer.finish();
  }
  EXPECT_TRUE(read_file(folder / "direct.h5") == read_file(folder / "through.h5"));
}

TEST(PartFile, AnyFlippedByteIsFoundOrHarmless) {
  const TemporaryFolder folder;
  const BlockPart part = make_part();
  write_part(folder / "p.h5", part);
  const std::string good = read_file(folder / "p.h5");
  int found = 0, tried = 0;
  for (std::size_t at = 0; at < good.size(); at += at < 128 ? 1 : 127, ++tried) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    std::ofstream(folder / "bad.h5", std::ios::binary) << bad;
    try {
      ASSERT_TRUE(equal(read(folder / "bad.h5"), part)) << "byte " << at << " changed the content unnoticed";
    } catch (const FormatError& error) {
      ++found;
      EXPECT_THAT(error.what(), HasSubstr("bad.h5")) << at;
    }
  }
  EXPECT_GT(found, tried / 3);  // the rest is space that HDF5 reserves and does not use
}

TEST(PartFile, OtherFilesAreRefused) {
  const TemporaryFolder folder;
  write_part(folder / "p.h5", make_part());
  const std::string good = read_file(folder / "p.h5");
  for (std::size_t size : {std::size_t{0}, std::size_t{8}, good.size() / 2, good.size() - 1}) {
    std::ofstream(folder / "cut.h5", std::ios::binary) << good.substr(0, size);
    EXPECT_THROW(read(folder / "cut.h5"), FormatError) << size;
  }
  write_tiny(folder / "m.h5", make_tiny());
  EXPECT_THAT(test::error_text<FormatError>([&] { read(folder / "m.h5"); }),
              HasSubstr("m.h5: not a part file"));
  EXPECT_THROW(read(folder / "absent.h5"), IoError);
}

TEST(PartFile, AnotherVersionIsRefused) {
  const TemporaryFolder folder;
  write_part(folder / "p.h5", make_part());
  const hid_t file = H5Fopen((folder / "p.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  replace_number(file, "/", "format_version", 2);
  H5Fclose(file);
  EXPECT_THAT(test::error_text<Unsupported>([&] { read(folder / "p.h5"); }),
              HasSubstr("p.h5: format_version 2; this program reads version 1"));
}

TEST(PartFile, WhatCannotBeStoredLeavesNothing) {
  const TemporaryFolder folder;
  BlockPart part = make_part();
  part.linears.push_back(part.linears.front());
  EXPECT_THROW(write_part(folder / "p.h5", part), InvalidArgument);
  part = make_part();
  part.linears.back().second.lora_A.push_back(0);
  EXPECT_THROW(write_part(folder / "p.h5", part), ShapeError);
  EXPECT_THROW(write_part(folder.path / "absent" / "p.h5", make_part()), IoError);
  EXPECT_TRUE(fs::is_empty(folder.path));
}

TEST(PartFile, FullDiskIsAnIoErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  const fs::path path = folder / "p.h5";
  write_part(path, make_part());
  const auto size = fs::file_size(path);
  fs::remove(path);
  // Steps of a prime, so that every kind of structure is once the one that does not fit; then the last byte
  // alone.
  for (rlim_t limit = 1; limit < size;
       limit = limit + 997 < size || limit == size - 1 ? limit + 997 : size - 1) {
    EXPECT_EQ(test::status_on_full_disk(path, limit, [&] { write_part(path, make_part()); }), 0)
        << limit << " of " << size;
    EXPECT_TRUE(fs::is_empty(folder.path)) << limit;
  }
}

/// Parts that are valid HDF5 but not of this model, edited with HDF5's own calls.
class ForeignPart : public ::testing::Test {
 protected:
  void SetUp() override { write_part(path_, make_part()); }

  template <class Edit>
  std::string refusal(Edit edit) {
    const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    EXPECT_GE(file, 0);
    edit(file);
    EXPECT_GE(H5Fclose(file), 0);
    return test::error_text<FormatError>([&] { read(path_); });
  }

  static constexpr const char* kLinear = "/linears/model.layers.0.self_attn.q_proj";
  const TemporaryFolder folder_;
  const fs::path path_ = folder_ / "p.h5";
};

/// Sums of 31 and a count near 2^32 wrapped to sizes of nothing, past whose end reading then went.
TEST_F(ForeignPart, HugeSizesAreRefusedBeforeTheyAreUsed) {
  for (const std::uint32_t rows : {0xffffffffu, 0xffffffe1u, 64u}) {
    const std::string text =
        refusal([&](hid_t file) { replace_number(file, kLinear, "out_features", rows); });
    EXPECT_THAT(text, HasSubstr(std::string("p.h5: ") + kLinear +
                                ": attribute 'out_features': expected 32 as config.json says, found " +
                                std::to_string(rows)));
  }
  SetUp();
  EXPECT_THAT(refusal([](hid_t file) { replace_number(file, kLinear, "in_features", 0xffffffffu); }),
              HasSubstr("attribute 'in_features': expected 32 as config.json says, found 4294967295"));
}

TEST_F(ForeignPart, LinearsOfAnotherBlockAreRefused) {
  EXPECT_THAT(refusal([](hid_t file) { replace_number(file, "/", "block", 1); }),
              HasSubstr("p.h5: /linears/model.layers.0.self_attn.q_proj: the model has no such linear in "
                        "block 1"));
}

}  // namespace
}  // namespace apiq
