#include "server/security/tokens.h"

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Write(const std::string& json) {
  const std::string path = testing::TempDir() + "tokens.json";
  EXPECT_TRUE(WriteFileAtomically(path, json).ok());
  return path;
}

TEST(Tokens, ScopesDecide) {
  const std::string path = Write(absl::StrCat(
      R"({"tokens": [{"name": "archive", "token": "s3cret"}, {"name": "ops", "sha256": ")",
      Sha256Hex("hunter2"), R"(", "scopes": ["models"]}]})"));
  const auto file = TokenFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->Authorize("Bearer s3cret", kScopeUpscale)->name, "archive");
  EXPECT_EQ((*file)->Authorize("bearer s3cret", "")->name, "archive");
  EXPECT_EQ((*file)->Authorize("Bearer hunter2", kScopeModels)->name, "ops");
  EXPECT_TRUE(absl::IsPermissionDenied((*file)->Authorize("Bearer s3cret", kScopeModels).status()));
  EXPECT_TRUE(
      absl::IsPermissionDenied((*file)->Authorize("Bearer hunter2", kScopeUpscale).status()));
  for (const char* wrong : {"", "s3cret", "Basic s3cret", "Bearer", "Bearer ", "Bearer s3cret "})
    EXPECT_TRUE(absl::IsUnauthenticated((*file)->Authorize(wrong, "").status())) << wrong;
}

TEST(Tokens, ReloadReplacesTheTableAndABrokenFileDoesNot) {
  const std::string path = Write(R"({"tokens": [{"name": "a", "token": "one"}]})");
  const auto file = TokenFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  Write(R"({"tokens": [{"name": "a", "token": "two"}]})");
  ASSERT_TRUE((*file)->Reload().ok());
  EXPECT_FALSE((*file)->Authorize("Bearer one", "").ok());
  EXPECT_TRUE((*file)->Authorize("Bearer two", "").ok());
  Write("{");
  EXPECT_THAT(std::string((*file)->Reload().message()), HasSubstr(path));
  EXPECT_TRUE((*file)->Authorize("Bearer two", "").ok());
}

TEST(Tokens, MistakesNameTheEntry) {
  const auto refusal = [](const char* json) {
    const auto table = TokenTable::Parse(json);
    return table.ok() ? "accepted" : std::string(table.status().message());
  };
  EXPECT_THAT(refusal("[]"), HasSubstr("tokens"));
  EXPECT_THAT(refusal(R"({"tokens": [{"token": "x"}]})"), HasSubstr("tokens[0]: \"name\""));
  EXPECT_THAT(refusal(R"({"tokens": [{"name": "a", "token": "x"}, {"name": "b"}]})"),
              HasSubstr("tokens[1]"));
  EXPECT_THAT(refusal(R"({"tokens": [{"name": "a", "sha256": "12"}]})"), HasSubstr("sha256"));
  EXPECT_THAT(refusal(R"({"tokens": [{"name": "a", "token": "x", "scopes": ["all"]}]})"),
              HasSubstr("\"all\""));
  EXPECT_THAT(refusal(R"({"tokens": [{"name": "a", "token": "x"}, {"name": "b", "token": "x"}]})"),
              HasSubstr("twice"));
}

}  // namespace
}  // namespace hiif::server
