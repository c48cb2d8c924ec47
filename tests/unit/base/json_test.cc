#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace hiif {
namespace {

using ::testing::HasSubstr;

std::string Refusal(absl::string_view text, const JsonBounds& bounds = {}) {
  const auto json = ParseJson(text, bounds);
  if (json.ok()) return "accepted";
  EXPECT_EQ(json.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(json.status().message());
}

std::string Nested(int depth, char open, char close) {
  return std::string(depth, open) + std::string(depth, close);
}

TEST(ParseJson, ReadsJson) {
  const auto json = ParseJson(R"({"a": [1, 2.5, "x", null, true], "b": {"c": -1}})");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ((*json)["a"][2], "x");
  EXPECT_EQ((*json)["b"]["c"], -1);
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "[1,]", "{} {}", "nul", "\"\xff\"", "{\"a\" 1}", "1e999"})
    EXPECT_THAT(Refusal(text), HasSubstr("not JSON")) << text;
}

TEST(ParseJson, BoundsNesting) {
  EXPECT_TRUE(ParseJson(Nested(16, '[', ']')).ok());
  EXPECT_THAT(Refusal(Nested(17, '[', ']')), HasSubstr("more than 16 deep"));
  EXPECT_THAT(Refusal(Nested(7'000'000, '[', ']')), HasSubstr("deep"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(Refusal(objects), HasSubstr("deep"));
  // One beside the other is not one within the other.
  EXPECT_TRUE(ParseJson("[[],[],[],[]]", {.depth = 2}).ok());
}

TEST(ParseJson, BoundsValues) {
  std::string list = "[0";
  for (int i = 0; i < 99; ++i) list += ",0";
  EXPECT_TRUE(ParseJson(list + "]", {.values = 101}).ok());
  EXPECT_THAT(Refusal(list + "]", {.values = 100}), HasSubstr("more than 100 values"));
}

TEST(ParseJson, RefusesKeysThatStandTwice) {
  EXPECT_THAT(Refusal(R"({"a": 1, "b": 2, "a": 3})"), HasSubstr("\"a\" stands twice"));
  EXPECT_EQ(Refusal(R"([{"a": {"a": 1}}, {"a": 2}])"), "accepted");
  EXPECT_LT(Refusal(absl::StrCat("{\"", std::string(9999, 'k'), "\":1,\"", std::string(9999, 'k'),
                                 "\":1}"))
                .size(),
            200);
}

TEST(ParseJson, CommentsOnRequest) {
  const std::string text = "{/* \" */ \"a\": 1} // [[[\n";
  EXPECT_THAT(Refusal(text), HasSubstr("not JSON"));
  EXPECT_EQ(Refusal(text, {.comments = true}), "accepted");
  // What a comment holds does not hide what is behind it.
  EXPECT_THAT(Refusal("/* \" */" + Nested(99, '[', ']'), {.comments = true}), HasSubstr("deep"));
}

}  // namespace
}  // namespace hiif
