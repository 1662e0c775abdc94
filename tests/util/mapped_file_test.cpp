#include "util/mapped_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "apiq/error.hpp"
#include "support/temporary_folder.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

std::string text_of(const MappedFile& file) { return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}; }

TEST(MappedFile, ShowsTheBytes) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(text_of(MappedFile(folder.write("a", "hello"))), "hello");
  EXPECT_TRUE(MappedFile(folder.write("empty", "")).bytes().empty());
}

TEST(MappedFile, MovesAndOutlivesReplacement) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("a", "first");
  MappedFile one(path);
  write_file_atomically(path, "second, longer");
  MappedFile two(std::move(one));
  EXPECT_EQ(text_of(two), "first");
  two = MappedFile(path);
  EXPECT_EQ(text_of(two), "second, longer");
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(MappedFile(folder.path() / "absent"), IoError);
  EXPECT_THROW(MappedFile(folder.path()), IoError);
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(MappedFile(folder.path() / "pipe"), IoError);
}

}  // namespace
}  // namespace apiq
