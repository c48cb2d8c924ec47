#include "client/cli/command_line.h"

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif::cli {
namespace {

using ::testing::ElementsAre;

UpscaleFlags Parse(std::vector<std::string> words) {
  CommandFlags flags;
  const auto app = MakeCommandLine(&flags);
  words.insert(words.begin(), "upscale");
  ParseWords(app.get(), std::move(words));
  return flags.upscale;
}

TEST(CommandLineTest, FlagsOfRealesrganNcnnVulkan) {
  const UpscaleFlags flags =
      Parse({"-i", "in.png", "-o", "out.png", "-s", "2",     "-t", "128", "-m",  "dir",
             "-n", "model",  "-g", "-1",      "-j", "1:2:2", "-x", "-f",  "jpg", "-v"});
  EXPECT_THAT(flags.inputs, ElementsAre("in.png"));
  EXPECT_EQ(flags.output, "out.png");
  EXPECT_EQ(flags.size.scale, 2);
  EXPECT_EQ(flags.tile_size, 128);
  EXPECT_EQ(flags.connection.model_dir, "dir");
  EXPECT_EQ(flags.model, "model");
  EXPECT_EQ(flags.connection.device, "-1");
  EXPECT_EQ(flags.jobs, "1:2:2");
  EXPECT_TRUE(flags.self_ensemble);
  EXPECT_EQ(flags.format, "jpg");
  EXPECT_TRUE(flags.log.verbose);
}

TEST(CommandLineTest, InputsByPosition) {
  const UpscaleFlags flags = Parse({"a.png", "-", "b.png", "-o", "out/", "--scale", "2.7"});
  EXPECT_THAT(flags.inputs, ElementsAre("a.png", "-", "b.png"));
  EXPECT_EQ(flags.size.scale, 2.7);
}

TEST(CommandLineTest, SeveralBehindOneFlag) {
  UpscaleFlags flags = Parse({"-i", "a.png", "b.png", "--list", "c", "d", "-o", "out/"});
  EXPECT_THAT(flags.inputs, ElementsAre("a.png", "b.png"));
  EXPECT_THAT(flags.lists, ElementsAre("c", "d"));
  flags = Parse({"a.png", "-i", "b.png", "c.png", "-o", "out/", "d.png"});
  EXPECT_THAT(flags.inputs, ElementsAre("a.png", "b.png", "c.png", "d.png"));
}

// CLI11 takes such a word for a list.
TEST(CommandLineTest, WordsInBracketsAreWords) {
  EXPECT_THAT(Parse({"[Scans]", "a.png", "-o", "out/"}).inputs, ElementsAre("[Scans]", "a.png"));
  EXPECT_THAT(Parse({"-i", "[2023,2024]", "[a]"}).inputs, ElementsAre("[2023,2024]", "[a]"));
  EXPECT_THAT(Parse({"--input=[a]", "-i[b]", "--", "[c]", "d]"}).inputs,
              ElementsAre("[a]", "[b]", "[c]", "d]"));
  EXPECT_EQ(Parse({"a.png", "-o", "[out]"}).output, "[out]");
}

TEST(CommandLineTest, ListsOfTheOtherCommands) {
  CommandFlags flags;
  ParseWords(MakeCommandLine(&flags).get(), {"query", "a.png", "1,2", "3,4"});
  EXPECT_THAT(flags.query.positions, ElementsAre("1,2", "3,4"));
  ParseWords(MakeCommandLine(&flags).get(), {"compare", "a.png", "-n", "one,two", "three"});
  EXPECT_THAT(flags.compare.models, ElementsAre("one", "two", "three"));
  ParseWords(MakeCommandLine(&flags).get(), {"bench", "[a]", "b.png"});
  EXPECT_THAT(flags.bench.inputs, ElementsAre("[a]", "b.png"));
}

TEST(CommandLineTest, HelpFitsAScreenAndShowsExamples) {
  CommandFlags flags;
  const std::string help = MakeCommandLine(&flags)->help();
  const std::vector<std::string> lines = absl::StrSplit(help, '\n');
  EXPECT_LE(lines.size(), 24) << help;
  int examples = 0;
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 100) << line;
    examples += absl::StrContains(line, "hiif upscale ") ? 1 : 0;
  }
  EXPECT_EQ(examples, 3);
}

TEST(CommandLineTest, Suggestions) {
  EXPECT_EQ(Suggestion("--sacle", {"--scale", "--strip"}), "--scale");
  EXPECT_EQ(Suggestion("--recursiv", {"--scale", "--recursive"}), "--recursive");
  EXPECT_EQ(Suggestion("edsr-baselin-hiif", {"edsr-baseline-hiif", "rdn-hiif"}),
            "edsr-baseline-hiif");
  EXPECT_EQ(Suggestion("--frobnicate", {"--scale", "--strip"}), "");
}

}  // namespace
}  // namespace hiif::cli
