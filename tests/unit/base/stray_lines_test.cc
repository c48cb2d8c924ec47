#include "base/stray_lines.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif {
namespace {

using ::testing::ElementsAre;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

constexpr char kWhySkipped[] = "under a sanitizer, whose reports go to descriptor 2 itself";

TEST(StrayLines, ComeByTheLineAndOwnOnesGoThrough) {
  if (!StrayLines::Works()) GTEST_SKIP() << kWhySkipped;
  CaptureStderr();
  std::vector<std::string> lines;
  {
    absl::Mutex mutex;
    const StrayLines stray([&](absl::string_view line) {
      absl::MutexLock lock(&mutex);
      lines.emplace_back(line);
    });
    std::fprintf(stderr, "by stdio\n\n");
    std::cerr << "by a stream" << std::endl;
    std::fprintf(Console(), "ours\n");
    EXPECT_EQ(system("echo by a child >&2"), 0);
    const std::string unended(5000, 'x');
    EXPECT_EQ(write(STDERR_FILENO, unended.data(), unended.size()), 5000);
  }
  std::fprintf(stderr, "afterwards\n");
  EXPECT_EQ(GetCapturedStderr(), "ours\nafterwards\n");
  EXPECT_THAT(lines, ElementsAre("by stdio", "by a stream", "by a child", std::string(1024, 'x')));
}

TEST(StrayLines, AFloodWaitsForNobody) {
  if (!StrayLines::Works()) GTEST_SKIP() << kWhySkipped;
  CaptureStderr();
  const absl::Time start = absl::Now();
  {
    const StrayLines stray([](absl::string_view) { absl::SleepFor(absl::Microseconds(20)); });
    const std::string line(999, 'x');
    for (int i = 0; i < 100'000; ++i) std::fprintf(stderr, "%s\n", line.c_str());
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  EXPECT_EQ(GetCapturedStderr(), "");
}

using StrayLinesDeathTest = ::testing::Test;

TEST(StrayLinesDeathTest, WhyAProcessAbortsIsSaid) {
  if (!StrayLines::Works()) GTEST_SKIP() << kWhySkipped;
  const auto end = [](StrayLines::Take take, bool wait) {
    const StrayLines stray(std::move(take));
    std::fprintf(stderr, "a.c:12: assertion `x' failed\n");
    if (wait) absl::SleepFor(absl::Milliseconds(200));
    std::abort();
  };
  EXPECT_EXIT(end(nullptr, false), ::testing::KilledBySignal(SIGABRT), "assertion `x' failed");
  EXPECT_EXIT(end(nullptr, true), ::testing::KilledBySignal(SIGABRT), "assertion `x' failed");
  const auto told = [](absl::string_view line) {
    std::fprintf(Console(), "told %.*s\n", static_cast<int>(line.size()), line.data());
  };
  EXPECT_EXIT(end(told, false), ::testing::KilledBySignal(SIGABRT), "told a.c:12");
}

}  // namespace
}  // namespace hiif
