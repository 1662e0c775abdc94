#include "util/mapped_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "apiq/error.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

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

/// Resident bytes of this process that belong to files (VmRSS's RssFile part), from the kernel.
std::uint64_t resident_file_bytes() {
  std::ifstream status("/proc/self/status");
  std::string key;
  std::uint64_t kib = 0;
  while (status >> key)
    if (key == "RssFile:" && status >> kib) return kib << 10;
  return 0;
}

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(MappedFile, GivesPagesBackAsTheyAreRead) {
  const test::TemporaryFolder folder;
  const MappedFile file(folder.write("large", std::string(64 * kMiB, 'x')));
  const std::uint64_t before = resident_file_bytes();
  ASSERT_GT(before, 0u) << "the program itself is mapped from files";
  std::uint64_t most = 0, sum = 0;
  constexpr std::size_t kPart = kMiB + 12345;  // parts begin and end inside pages
  for (std::size_t at = 0; at < file.bytes().size(); at += kPart) {
    const auto part = file.bytes().subspan(at, std::min(kPart, file.bytes().size() - at));
    for (const std::byte b : part) sum += std::to_integer<std::uint64_t>(b);
    most = std::max(most, resident_file_bytes());
    file.release(part);
  }
  EXPECT_EQ(sum, 64 * kMiB * 'x');
  // One part and the pieces of up to 2 MiB that its ends lie in while reading; 3 MiB leave room for code that
  // is touched.
  EXPECT_LT(most, before + 8 * kMiB);
  EXPECT_LT(resident_file_bytes(), before + kMiB);
  EXPECT_EQ(file.bytes()[12345], std::byte{'x'}) << "released bytes come back";
}

TEST(MappedFile, ReadsWithoutTheMapping) {
  const test::TemporaryFolder folder;
  std::string text(8 * kMiB, 'a');
  text[kMiB] = 'b';
  const auto path = folder.write("a", text);
  const MappedFile file(path);
  const std::uint64_t before = resident_file_bytes();
  std::vector<std::byte> out(7 * kMiB);
  file.read(kMiB, out);
  EXPECT_EQ(std::memcmp(out.data(), text.data() + kMiB, out.size()), 0);
  EXPECT_LT(resident_file_bytes(), before + kMiB);
  EXPECT_NO_THROW(file.read(text.size(), {}));

  // Cut short in place: an error with the facts, where touching the mapping would end the process.
  std::filesystem::resize_file(path, 3 * kMiB);
  const std::string error = test::error_text<IoError>([&] { file.read(kMiB, out); });
  for (const std::string& part :
       {path.string(), std::to_string(8 * kMiB), std::to_string(3 * kMiB), std::string("cut short")})
    EXPECT_NE(error.find(part), std::string::npos) << error;
}

}  // namespace
}  // namespace apiq
