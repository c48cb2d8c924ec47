#include "client/cli/outputs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

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
  EXPECT_EQ(NameOf({.label = "x2"}, {"d/.png", ".png"}), "d/.png_x2.png") << "an extension alone";
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

TEST_F(OutputsTest, NoTwoInputsGetOneName) {
  fs::create_directories(root_ / "real" / "sub");
  fs::create_directory_symlink("real", root_ / "link");
  fs::create_symlink("real/photo.png", root_ / "photo.png");  // not there yet
  const std::string name = (root_ / "real" / "photo.png").string();
  const std::string first = (root_ / "real" / "photo-1.png").string();
  ExistsPolicy rename(Exists::kRename, false);
  EXPECT_EQ(rename.Decide("a/photo.png", name)->path, name);
  EXPECT_EQ(rename.Decide("b/photo.png", name)->path, first);
  int n = 0;
  for (const fs::path& same :
       {root_ / "real" / "sub" / ".." / "photo.png", root_ / "link" / "photo.png",
        root_ / "photo.png", fs::relative(name)}) {
    const auto decision = rename.Decide(absl::StrCat(n++, "/photo.png"), same.string());
    ASSERT_TRUE(decision.ok()) << decision.status();
    EXPECT_TRUE(decision->write);
    EXPECT_NE(decision->path, same.string());
    EXPECT_NE(fs::weakly_canonical(decision->path), fs::weakly_canonical(first));
  }
  for (const Exists exists : {Exists::kError, Exists::kOverwrite, Exists::kSkip}) {
    ExistsPolicy policy(exists, false);
    EXPECT_TRUE(policy.Decide("a/photo.png", name)->write);
    const auto clash = policy.Decide("b/photo.png", (root_ / "photo.png").string());
    EXPECT_TRUE(absl::IsAlreadyExists(clash.status())) << clash.status();
    EXPECT_THAT(clash.status().message(), HasSubstr("a/photo.png"));
  }
}

TEST_F(OutputsTest, AFileOfTwoNamesIsWrittenOnce) {
  const std::string one = Touch("one.png");
  fs::create_hard_link(one, root_ / "two.png");
  ExistsPolicy policy(Exists::kOverwrite, false);
  EXPECT_TRUE(policy.Decide("a.png", one)->write);
  EXPECT_TRUE(absl::IsAlreadyExists(policy.Decide("b.png", root_ / "two.png").status()));
}

TEST_F(OutputsTest, ThreadsGetNamesOfTheirOwn) {
  ExistsPolicy rename(Exists::kRename, false);
  const std::string name = (root_ / "photo.png").string();
  std::vector<std::string> paths(64);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = t; i < 64; i += 8)
          paths[i] = rename.Decide(absl::StrCat(i, ".png"), name)->path;
      });
  }
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), 64);
}

TEST_F(OutputsTest, PipesAreWrittenByAnyNumber) {
  const std::string pipe = (root_ / "pipe.png").string();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const Exists exists : {Exists::kError, Exists::kRename}) {
    ExistsPolicy policy(exists, false);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(policy.Decide("a.png", pipe)->path, pipe);
  }
}

TEST_F(OutputsTest, ResumeRedoesWhatIsOlderThanItsInput) {
  const std::string output = Touch("out.png", 100);
  EXPECT_FALSE(ExistsPolicy(Exists::kError, true).Decide(Touch("in.png", 200), output)->write);
  EXPECT_TRUE(ExistsPolicy(Exists::kError, true).Decide(Touch("in.png", 50), output)->write);
  EXPECT_TRUE(ExistsPolicy(Exists::kError, true).Decide(Touch("in.png"), "none.png")->write);
}

TEST_F(OutputsTest, FindsTemporariesOfProcessesThatAreGone) {
  // Above the kernel's largest process number; this process; one that is another program.
  Touch("a.png.4194999.Ab12Cd.part");
  Touch(absl::StrCat("b.png.", getpid(), ".Ab12Cd.part"));
  Touch("c.png.1.Ab12Cd.part");
  Touch("a-001.png.4194999.Ab12Cd.part");  // a frame
  Touch("keep.png.4194999.Ab12Cd.part");   // of other outputs
  Touch("keep.part");
  Touch("keep.png");
  std::set<std::string> found;
  for (const StaleTemporary& stale :
       FindStaleTemporaries({(root_ / "a.png").string(), "", (root_ / "." / "b.png").string(),
                             (root_ / "c.png").string()})) {
    found.insert(absl::StrCat(stale.output, " ", fs::path(stale.place).filename().string()));
    EXPECT_TRUE(fs::remove(stale.path));
  }
  EXPECT_EQ(found, (std::set<std::string>{"0 a.png", "0 a-001.png", "2 b.png", "3 c.png"}));
  int left = 0;
  for (const auto& entry : fs::directory_iterator(root_)) {
    EXPECT_THAT(entry.path().filename().string(), HasSubstr("keep"));
    ++left;
  }
  EXPECT_EQ(left, 3);
}

// It lies where a link leads; it says that its output may be a part, until that is made again.
TEST_F(OutputsTest, WhatMayBeHalfMadeIsMadeAgain) {
  fs::create_directories(root_ / "real");
  const std::string name = Touch("real/a.png");
  const std::string link = (root_ / "link.png").string();
  fs::create_symlink("real/a.png", link);
  const std::string input = Touch("in.png", 50);
  EXPECT_FALSE(ExistsPolicy(Exists::kError, true).Decide(input, link)->write);
  Touch("real/a.png.4194999.Ab12Cd.part");
  const auto stale = FindStaleTemporaries({link});
  ASSERT_EQ(stale.size(), 1);
  for (const std::string& output : {name, link})
    EXPECT_TRUE(ExistsPolicy(Exists::kError, true, {.half_made = {stale[0].place}})
                    .Decide(input, output)
                    ->write);
}

TEST_F(OutputsTest, NoOutputReplacesAnotherInput) {
  const std::string one = Touch("a.jpg");
  const std::string other = Touch("a.png");
  const RunFiles known{.inputs = {{FileOf(one), one}, {FileOf(other), other}}};
  const auto refused = ExistsPolicy(Exists::kOverwrite, false, known).Decide(one, other);
  EXPECT_TRUE(absl::IsAlreadyExists(refused.status())) << refused.status();
  EXPECT_THAT(refused.status().message(), HasSubstr(absl::StrCat("replace ", other)));
  EXPECT_TRUE(ExistsPolicy(Exists::kOverwrite, false, known).Decide(other, other)->write);
  EXPECT_FALSE(ExistsPolicy(Exists::kSkip, false, known).Decide(one, other)->write);
  EXPECT_NE(ExistsPolicy(Exists::kRename, false, known).Decide(one, other)->path, other);
}

}  // namespace
}  // namespace hiif::cli
