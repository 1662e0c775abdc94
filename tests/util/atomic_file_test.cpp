#include "util/atomic_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apiq/error.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(AtomicFile, WritesAndReplaces) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "result.json";
  const std::string bytes("a\0b\n", 4);
  write_file_atomically(path, bytes);
  EXPECT_EQ(read_file(path), bytes);
  write_file_atomically(path, "second");
  EXPECT_EQ(read_file(path), "second");
  EXPECT_EQ(entries(folder.path()), 1u) << "a temporary file stayed behind";
}

TEST(AtomicFile, TemporaryIsInTheSameFolder) { EXPECT_EQ(temporary_name("/a/b/c.h5").parent_path(), "/a/b"); }

TEST(AtomicFile, OnlyTemporariesOfDeadWritersAreRemoved) {
  const test::TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);  // its id is free now
  const std::string dead = std::to_string(child), alive = std::to_string(::getpid());
  folder.write("out.h5." + dead + ".tmp", "half");
  for (const std::string& name :
       {"out.h5." + alive + ".tmp", "other.h5." + dead + ".tmp", std::string("out.h5"), "out.h5." + dead,
        "out.h5.x" + dead + ".tmp", std::string("out.h5.tmp"), std::string("out.h5..tmp")})
    folder.write(name, "kept");
  remove_stale_temporaries(folder.path() / "out.h5");
  EXPECT_EQ(entries(folder.path()), 7u);
  EXPECT_FALSE(fs::exists(folder.path() / ("out.h5." + dead + ".tmp")));
  remove_stale_temporaries(folder.path() / "absent" / "out.h5");
}

TEST(AtomicFile, FolderThatDoesNotExist) {
  const test::TemporaryFolder folder;
  const std::string text =
      test::error_text<IoError>([&] { write_file_atomically(folder.path() / "absent" / "x", "data"); });
  EXPECT_THAT(text, HasSubstr("absent/x"));
  EXPECT_FALSE(fs::exists(folder.path() / "absent"));
}

TEST(AtomicFile, FolderWithoutWritePermission) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const test::TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0500), 0);
  EXPECT_THROW(write_file_atomically(folder.path() / "x", "data"), IoError);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0700), 0);
}

TEST(AtomicFile, FailedCommitKeepsTheOldFileAndRemovesTheTemporary) {
  const test::TemporaryFolder folder;
  fs::create_directory(folder.path() / "taken");  // a file cannot be renamed over a folder
  folder.write("taken/inside", "x");
  const fs::path temporary = folder.write("new.tmp", "data");
  EXPECT_THROW(commit_file(temporary, folder.path() / "taken"), IoError);
  EXPECT_FALSE(fs::exists(temporary));
  EXPECT_EQ(read_file(folder.path() / "taken" / "inside"), "x");
  EXPECT_THROW(commit_file(folder.path() / "absent.tmp", folder.path() / "y"), IoError);
}

TEST(AtomicFile, FullDiskIsAnErrorAndLeavesNothing) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  // The temporary's name is a link to the device that is always full: writing through it fails as on a full
  // disk.
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "x";
  fs::create_symlink("/dev/full", temporary_name(path));
  EXPECT_THROW(write_file_atomically(path, "data"), IoError);
  EXPECT_EQ(entries(folder.path()), 0u);
}

TEST(ReadFile, LimitsAndErrors) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.write("five", "12345");
  EXPECT_EQ(read_file(path, 5), "12345");
  EXPECT_THROW(read_file(path, 4), FormatError);
  EXPECT_THROW(read_file(folder.path() / "absent"), IoError);
  EXPECT_THROW(read_file(folder.path()), IoError);
}

}  // namespace
}  // namespace apiq
