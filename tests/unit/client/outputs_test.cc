#include "client/cli/outputs.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class OutputsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / "outputs_test";
    fs::remove_all(root_);
    fs::create_directories(root_);
  }

  std::string Touch(const std::string& name, int age_seconds = 0) {
    const fs::path path = root_ / name;
    std::ofstream(path) << "x";
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::seconds(age_seconds));
    return path.string();
  }

  std::string NameOf(const OutputOptions& options, const InputFile& input) {
    const auto names = OutputNames::Create(options);
    EXPECT_TRUE(names.ok()) << names.status();
    if (!names.ok()) return "";
    const auto output = names->For(input);
    EXPECT_TRUE(output.ok()) << output.status();
    return output.ok() ? output->path : "";
  }

  fs::path root_;
};

TEST_F(OutputsTest, Names) {
  const InputFile photo{"in/sub/photo.jpeg", "sub/photo.jpeg"};
  EXPECT_EQ(NameOf({.label = "x2.7"}, photo), "in/sub/photo_x2.7.jpeg");
  EXPECT_EQ(NameOf({.format = "png", .label = "x2.7"}, photo), "in/sub/photo_x2.7.png");
  EXPECT_EQ(NameOf({.output = "out", .label = "x2", .several = true}, photo),
            "out/sub/photo_x2.jpeg");
  EXPECT_EQ(NameOf({.output = "out/", .name = "{stem}.{ext}", .label = "x2"}, photo),
            "out/sub/photo.jpeg");
  EXPECT_EQ(NameOf({.output = "result.tif", .label = "x2"}, photo), "result.tif");
  EXPECT_EQ(NameOf({.output = "-", .label = "x2"}, photo), "-");
  EXPECT_EQ(NameOf({.label = "x2"}, {"a.gif", "a.gif"}), "a_x2.png") << "256 colours";
  EXPECT_EQ(NameOf({.label = "x2", .animation = true}, {"a.gif", "a.gif"}), "a_x2.webp");
  EXPECT_EQ(NameOf({.format = "gif", .label = "x2"}, {"a.gif", "a.gif"}), "a_x2.gif");
}

TEST_F(OutputsTest, RefusesWhatCannotBe) {
  const std::string file = Touch("file.png");
  const auto refused = [](const OutputOptions& options) {
    return std::string(OutputNames::Create(options).status().message());
  };
  EXPECT_THAT(refused({.output = file, .several = true}), HasSubstr("need a folder"));
  EXPECT_THAT(refused({.output = "-", .several = true}), HasSubstr("one image"));
  EXPECT_THAT(refused({.output = "x.txt"}), HasSubstr("no format"));
  EXPECT_THAT(refused({.format = "bmp"}), HasSubstr("cannot be written"));
  EXPECT_THAT(refused({.name = "out.png"}), HasSubstr("{stem}"));
}

TEST_F(OutputsTest, WhatIsThereAlready) {
  const std::string input = Touch("in.png");
  const std::string output = Touch("out.png");
  EXPECT_FALSE(ExistsPolicy(Exists::kSkip, false).Decide(input, output)->write);
  EXPECT_TRUE(ExistsPolicy(Exists::kOverwrite, false).Decide(input, output)->write);
  const auto error = ExistsPolicy(Exists::kError, false).Decide(input, output);
  EXPECT_TRUE(absl::IsAlreadyExists(error.status()));
  EXPECT_THAT(error.status().message(), HasSubstr("--exists"));
  ExistsPolicy rename(Exists::kRename, false);
  EXPECT_EQ(rename.Decide(input, output)->path, (root_ / "out-1.png").string());
  EXPECT_EQ(rename.Decide(input, output)->path, (root_ / "out-2.png").string());
  EXPECT_FALSE(ExistsPolicy(Exists::kSkip, false).Decide(input, input).ok()) << "the input itself";
}

TEST_F(OutputsTest, ResumeRedoesWhatIsOlderThanItsInput) {
  const std::string output = Touch("out.png", 100);
  EXPECT_FALSE(ExistsPolicy(Exists::kError, true).Decide(Touch("in.png", 200), output)->write);
  EXPECT_TRUE(ExistsPolicy(Exists::kError, true).Decide(Touch("in.png", 50), output)->write);
  EXPECT_TRUE(ExistsPolicy(Exists::kError, true).Decide(Touch("in.png"), "none.png")->write);
}

TEST_F(OutputsTest, RemovesTemporariesOfProcessesThatAreGone) {
  // Above the kernel's largest process number; this process; one that is another program.
  Touch("a.png.4194999.Ab12Cd.part");
  Touch(absl::StrCat("b.png.", getpid(), ".Ab12Cd.part"));
  Touch("c.png.1.Ab12Cd.part");
  Touch("keep.part");
  Touch("keep.png");
  RemoveStaleTemporaries(root_.string());
  int left = 0;
  for (const auto& entry : fs::directory_iterator(root_)) {
    EXPECT_THAT(entry.path().filename().string(), HasSubstr("keep"));
    ++left;
  }
  EXPECT_EQ(left, 2);
}

}  // namespace
}  // namespace hiif::cli
