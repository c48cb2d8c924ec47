#include "base/model_folder.h"

#include <filesystem>

#include "gtest/gtest.h"

namespace hiif {
namespace {

namespace fs = std::filesystem;

// This program is build/PRESET/tests/base_test.
TEST(ModelFolder, OfABuildTreeIsTheRepositorys) {
  EXPECT_TRUE(fs::exists(fs::path(InstalledModels()) / "edsr-baseline-hiif.safetensors"))
      << InstalledModels();
}

TEST(ModelFolder, TheWorkingDirectorysIsPreferred) {
  const fs::path before = fs::current_path();
  const fs::path folder = fs::path(testing::TempDir()) / "model_folder_test";
  fs::create_directories(folder);
  fs::current_path(folder);
  EXPECT_EQ(DefaultModelFolder(), InstalledModels());
  fs::create_directories("models");
  EXPECT_EQ(DefaultModelFolder(), "models");
  fs::current_path(before);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace hiif
