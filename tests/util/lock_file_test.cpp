// Locks between processes: held, refused with the owner's id, gone with a killed owner.
#include "util/lock_file.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "apiq/error.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

TEST(LockFile, BelongsToOneProcessUntilItDies) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.lock";
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const LockFile lock(path);
    const char done = lock.held() ? '1' : '0';
    if (::write(ready[1], &done, 1) == 1) ::pause();
    ::_exit(1);
  }
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  EXPECT_EQ(done, '1');
  {
    const LockFile refused(path);
    EXPECT_FALSE(refused.held());
    EXPECT_EQ(refused.owner(), child);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(LockFile(path).held());
}

TEST(LockFile, IsReleasedAtTheEndAndRemovedOnlyByItsOwner) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.lock";
  EXPECT_TRUE(LockFile(path).held());
  {
    LockFile owner(path), other(path);
    other.remove();
    EXPECT_TRUE(std::filesystem::exists(path));
    owner.remove();
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(LockFile(path).held());  // a new file
  }
  EXPECT_THROW(LockFile(folder.path() / "absent" / "x.lock"), IoError);
}

}  // namespace
}  // namespace apiq
