#include "runtime/install_paths.hpp"

#include <gtest/gtest.h>

namespace apiq::runtime {
namespace {

TEST(CacheFolder, IsTheUsersUnlessSaidOtherwise) {
  Environment environment;
  EXPECT_EQ(cache_folder(environment), "") << "nowhere to keep one";
  environment.home = "/people/u";
  EXPECT_EQ(cache_folder(environment), "/people/u/.cache/apiq");
  environment.xdg_cache_home = "/var/cache/u";
  EXPECT_EQ(cache_folder(environment), "/var/cache/u/apiq");
  environment.cache_dir = "/elsewhere";
  EXPECT_EQ(cache_folder(environment), "/elsewhere");
  environment.cache_dir = "";
  EXPECT_EQ(cache_folder(environment), "") << "set to nothing: no cache";
}

TEST(TuningFolders, TheUsersBeforeTheInstalled) {
  Environment environment;
  environment.home = "/people/u";
  EXPECT_EQ(tuning_folders(environment).front(), "/people/u/.local/share/apiq/tuning");
  environment.xdg_data_home = "/data/u";
  EXPECT_EQ(tuning_folders(environment).front(), "/data/u/apiq/tuning");
  EXPECT_EQ(tuning_folders(environment).size(), 2u);
  environment.tuning_dir = "/only";
  EXPECT_EQ(tuning_folders(environment), std::vector<std::filesystem::path>{"/only"});
}

}  // namespace
}  // namespace apiq::runtime
