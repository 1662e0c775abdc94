// When PoCL's threads are bound to cores: never against the user's word, never when the process is confined
// to some cores.
#include "runtime/pocl_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "support/scoped_variable.hpp"
#include "support/temporary_folder.hpp"

namespace apiq::runtime {
namespace {

using test::ScopedVariable;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class PoclThreads : public ::testing::Test {
 protected:
  PoclThreads() {
    if (const char* before = std::getenv("POCL_AFFINITY")) before_ = before;
    ::unsetenv("POCL_AFFINITY");
    ::sched_getaffinity(0, sizeof(cores_), &cores_);
  }
  ~PoclThreads() override {
    ::sched_setaffinity(0, sizeof(cores_), &cores_);
    if (before_.empty()) ::unsetenv("POCL_AFFINITY");
    else ::setenv("POCL_AFFINITY", before_.c_str(), 1);
  }
  static std::string setting() {
    const char* value = std::getenv("POCL_AFFINITY");
    return value != nullptr ? value : "unset";
  }

  std::string before_;
  cpu_set_t cores_{};
};

TEST_F(PoclThreads, BoundWhenEveryCoreIsOurs) {
  if (CPU_COUNT(&cores_) != ::sysconf(_SC_NPROCESSORS_ONLN))
    GTEST_SKIP() << "this process may not use every core";
  set_up_pocl(Environment::read());
  EXPECT_EQ(setting(), "1");
}

TEST_F(PoclThreads, UsersSettingWins) {
  ::setenv("POCL_AFFINITY", "0", 1);
  set_up_pocl(Environment::read());
  EXPECT_EQ(setting(), "0");
}

TEST_F(PoclThreads, LeftAloneWhenConfined) {
  if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "one core: nothing to be confined to";
  cpu_set_t one;
  CPU_ZERO(&one);
  int core = 0;
  while (!CPU_ISSET(core, &cores_)) ++core;
  CPU_SET(core, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  set_up_pocl(Environment::read());
  EXPECT_EQ(setting(), "unset");
}

/// HOME of user nobody, of containers and services. PoCL then makes no cache and offers no device.
TEST(PoclCache, HasAWritableFolderWhereHomeIsNone) {
  const test::TemporaryFolder temporary;
  const ScopedVariable home("HOME", "/dev/null"), xdg("XDG_CACHE_HOME", nullptr),
      own("POCL_CACHE_DIR", nullptr), parent("TMPDIR", temporary.path().c_str());
  set_up_pocl(Environment::read());
  const Environment after = Environment::read();
  ASSERT_TRUE(after.pocl_cache_dir.has_value());
  const std::filesystem::path folder = *after.pocl_cache_dir;
  EXPECT_EQ(folder.parent_path(), temporary.path());
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(folder).permissions() & (perms::group_all | perms::others_all),
            perms::none)
      << "what lies there is loaded as code";
  // The next process finds the same one, unless others may write to it.
  ::unsetenv("POCL_CACHE_DIR");
  set_up_pocl(Environment::read());
  EXPECT_EQ(*Environment::read().pocl_cache_dir, folder);
  std::filesystem::permissions(folder, perms::others_write, std::filesystem::perm_options::add);
  ::unsetenv("POCL_CACHE_DIR");
  set_up_pocl(Environment::read());
  EXPECT_NE(*Environment::read().pocl_cache_dir, folder);
}

TEST(PoclCache, IsLeftToPoclWhereHomeCanBeWritten) {
  const test::TemporaryFolder home_folder;
  const ScopedVariable home("HOME", home_folder.path().c_str()), xdg("XDG_CACHE_HOME", nullptr),
      own("POCL_CACHE_DIR", nullptr);
  set_up_pocl(Environment::read());
  EXPECT_FALSE(Environment::read().pocl_cache_dir.has_value());
}

TEST(PoclCache, TroubleIsNamedForPoclOnly) {
  Environment environment;
  environment.pocl_cache_dir = "/dev/null/cache";
  DeviceInfo info;
  info.platform = "Intel(R) OpenCL";
  EXPECT_EQ(pocl_cache_trouble(info, environment), "");
  info.platform = "Portable Computing Language";
  EXPECT_THAT(pocl_cache_trouble(info, environment), HasSubstr("/dev/null/cache"));
  EXPECT_THAT(pocl_cache_trouble(info, environment), HasSubstr("POCL_CACHE_DIR"));
  environment.pocl_cache_dir = "/proc";  // a file system without room
  EXPECT_THAT(pocl_cache_trouble(info, environment),
              AnyOf(HasSubstr("are free"), HasSubstr("cannot be written")));
  const test::TemporaryFolder folder;
  environment.pocl_cache_dir = (folder.path() / "not yet made").string();
  EXPECT_EQ(pocl_cache_trouble(info, environment), "");
}

}  // namespace
}  // namespace apiq::runtime
