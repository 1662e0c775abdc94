#include "runtime/program_cache.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace apiq {
namespace {

namespace fs = std::filesystem;

class ProgramCacheTest : public ::testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / ("apiq_cache_test_" + std::to_string(::getpid()));
  runtime::ProgramCache cache_{folder_};
  void TearDown() override { fs::remove_all(folder_); }
};

TEST_F(ProgramCacheTest, GivesBackWhatWasStored) {
  const std::string binary(
      "\0\x7f"
      "ELF and more\n",
      15);
  EXPECT_FALSE(cache_.load("key"));
  cache_.store("key", binary);
  EXPECT_EQ(cache_.load("key"), binary);
  EXPECT_FALSE(cache_.load("other"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "no temporary file stays behind";
}

TEST_F(ProgramCacheTest, DamageIsAMiss) {
  cache_.store("key", "a compiled program");
  const auto path = folder_ / "key.bin";
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(70).put('X');
  EXPECT_FALSE(cache_.load("key"));
  fs::resize_file(path, 40);
  EXPECT_FALSE(cache_.load("key"));
}

TEST(ProgramCache, NoFolderMeansNoCache) {
  const runtime::ProgramCache cache{fs::path()};
  cache.store("key", "binary");
  EXPECT_FALSE(cache.load("key"));
}

TEST(ProgramCache, AFolderThatCannotBeMadeIsNotAnError) {
  const runtime::ProgramCache cache{"/proc/apiq-cannot-be-made"};
  cache.store("key", "binary");
  EXPECT_FALSE(cache.load("key"));
}

}  // namespace
}  // namespace apiq
