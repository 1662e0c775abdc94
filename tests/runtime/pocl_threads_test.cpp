// When PoCL's threads are bound to cores: never against the user's word, never when the process is confined
// to some cores.
#include "runtime/pocl_threads.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace apiq::runtime {
namespace {

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
  bind_pocl_threads();
  EXPECT_EQ(setting(), "1");
}

TEST_F(PoclThreads, UsersSettingWins) {
  ::setenv("POCL_AFFINITY", "0", 1);
  bind_pocl_threads();
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
  bind_pocl_threads();
  EXPECT_EQ(setting(), "unset");
}

}  // namespace
}  // namespace apiq::runtime
