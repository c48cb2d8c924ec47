// Every recorded case of the reference implementation, by every backend that serves it.
#include "eval/parity.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "tests/testing/environment.h"
#include "tests/testing/paths.h"

namespace hiif::eval {
namespace {

std::set<std::string> Cases(const std::string& folder = "fixtures") {
  std::set<std::string> cases;
  for (const auto& file : std::filesystem::directory_iterator(testing::SharedPath(folder))) {
    const std::string path = file.path();
    if (absl::EndsWith(path, ".safetensors") && !absl::EndsWith(path, ".weights.safetensors"))
      cases.insert(path);
  }
  return cases;
}

TEST(Parity, OfTheReferenceBackend) {
  HIIF_SKIP_WITHOUT(testing::SharedPath("fixtures"));
  EXPECT_GE(Cases().size(), 24);
  for (const std::string& path : Cases()) {
    const auto result = CompareCase(path, {});
    ASSERT_TRUE(result.ok()) << path << ": " << result.status();
    EXPECT_TRUE(result->passed) << path;
    EXPECT_LE(result->raw_output, 2e-4) << path;
    EXPECT_LE(result->wrong_bits, 0) << path;
  }
}

// 29 cases; by both backends, of which one serves.
TEST(Parity, OfTheOtherDecoders) {
  const std::string folder = "recorded/decoders";
  HIIF_SKIP_WITHOUT(testing::SharedPath(folder));
  EXPECT_GE(Cases(folder).size(), 29);
  for (const Backend backend : {Backend::kReference, Backend::kTorch}) {
    for (const std::string& path : Cases(folder)) {
      const auto result = CompareCase(path, {.backend = backend});
      ASSERT_TRUE(result.ok()) << path << ": " << result.status();
      EXPECT_TRUE(result->passed) << path;
      EXPECT_LE(result->raw_output, 2e-4) << path;
      EXPECT_LE(result->wrong_bits, 0) << path;
    }
  }
}

class FastBackend : public ::testing::TestWithParam<Backend> {};

TEST_P(FastBackend, MatchesTheRecordings) {
  HIIF_SKIP_WITHOUT(testing::SharedPath("fixtures"));
  int compared = 0;
  for (const std::string& path : Cases()) {
    // A strip's own context is the evaluation's of old; the released padding is the reference's.
    if (!absl::StrContains(path, "hiif-") || absl::StrContains(path, "strip")) continue;
    const auto result = CompareCase(path, {.backend = GetParam(), .output_tolerance = 5e-4});
    ASSERT_TRUE(result.ok()) << path << ": " << result.status();
    EXPECT_TRUE(result->passed) << path << ": " << result->raw_output;
    ++compared;
  }
  EXPECT_GE(compared, 12);
}

INSTANTIATE_TEST_SUITE_P(Parity, FastBackend, ::testing::Values(Backend::kTorch, Backend::kFused));

// The kernel for GPUs, compiled for the host (model/kernels/cuda).
TEST(Parity, OfTheDecoderAsOneKernel) {
  HIIF_SKIP_WITHOUT(testing::SharedPath("fixtures"));
  const testing::ScopedEnvironment decoder("HIIF_CUDA_DECODER", "fused");
  int compared = 0;
  for (const std::string& path : Cases()) {
    // The smallest of each network, and both coordinate modes: `scripts/verify engines` has all.
    if (!absl::StrContains(path, ".x6.") && !absl::StrContains(path, "nopad")) continue;
    if (!absl::StrContains(path, "hiif-")) continue;
    const auto result = CompareCase(path, {.backend = Backend::kTorch, .output_tolerance = 2e-4});
    ASSERT_TRUE(result.ok()) << path << ": " << result.status();
    EXPECT_LE(result->raw_output, 2e-4) << path;
    ++compared;
  }
  EXPECT_GE(compared, 4);
}

TEST(Parity, NamesTheFileThatIsWrong) {
  const auto missing = CompareCase("/no/such/name.case.safetensors", {});
  ASSERT_FALSE(missing.ok());
  EXPECT_TRUE(absl::StrContains(missing.status().message(), "/no/such/name"));
}

}  // namespace
}  // namespace hiif::eval
