#include "client/cli/inputs.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class InputsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / "inputs_test";
    fs::remove_all(root_);
    for (const char* name : {"b.png", "a.jpg", "notes.txt", ".hidden.png", "sub/c.tif",
                             "sub/deep/d.webp", "out/old.png"}) {
      fs::create_directories((root_ / name).parent_path());
      std::ofstream(root_ / name) << "x";
    }
  }

  std::vector<std::string> Expand(const std::vector<std::string>& names,
                                  InputOptions options = {}) {
    const auto files = ExpandInputs(names, options);
    EXPECT_TRUE(files.ok()) << files.status();
    std::vector<std::string> relative;
    if (files.ok())
      for (const InputFile& file : *files) relative.push_back(file.relative);
    return relative;
  }

  std::string At(const std::string& name) { return (root_ / name).string(); }

  fs::path root_;
};

TEST_F(InputsTest, AFolderIsItsImagesByName) {
  EXPECT_THAT(Expand({root_.string()}), ElementsAre("a.jpg", "b.png"));
}

TEST_F(InputsTest, RecursiveKeepsTheLayoutAndLeavesTheOutputsOut) {
  EXPECT_THAT(Expand({root_.string()}, {.recursive = true, .output_folder = At("out")}),
              ElementsAre("a.jpg", "b.png", "sub/c.tif", "sub/deep/d.webp"));
}

TEST_F(InputsTest, WhatIsNoImageOfAKnownFormatIsNamed) {
  std::ofstream(root_ / "old.bmp") << "BM";
  std::vector<std::string> left_out;
  EXPECT_THAT(Expand({root_.string()}, {.left_out = &left_out}), ElementsAre("a.jpg", "b.png"));
  EXPECT_THAT(left_out, ElementsAre(At("notes.txt"), At("old.bmp")));
}

TEST_F(InputsTest, ALinkBackIsNoEndlessLoop) {
  fs::create_directory_symlink(root_, root_ / "sub" / "back");
  EXPECT_THAT(Expand({At("sub")}, {.recursive = true}), ElementsAre("c.tif", "deep/d.webp"));
}

TEST_F(InputsTest, PatternsAndListsAndTheOrderGiven) {
  std::ofstream(root_ / "list") << At("b.png") << "\r\n\n" << At("missing.png") << "\n";
  EXPECT_THAT(Expand({"@" + At("list"), At("?.jpg"), "-"}),
              ElementsAre("b.png", "missing.png", "a.jpg", "stdin"));
}

TEST_F(InputsTest, EachFileOnce) {
  EXPECT_THAT(Expand({At("b.png"), root_.string(), At("*.png")}), ElementsAre("b.png", "a.jpg"));
}

TEST_F(InputsTest, NothingIsAnError) {
  fs::create_directory(root_ / "empty");
  EXPECT_FALSE(ExpandInputs({At("empty")}, {}).ok());
  EXPECT_FALSE(ExpandInputs({At("*.gif")}, {}).ok());
  EXPECT_FALSE(ExpandInputs({"@" + At("no-list")}, {}).ok());
}

}  // namespace
}  // namespace hiif::cli
