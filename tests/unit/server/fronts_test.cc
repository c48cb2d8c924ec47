// What comes from strangers by HTTP and KServe: parsers and their bounds.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "server/fronts/http/message.h"
#include "server/fronts/http/multipart.h"
#include "server/fronts/http/parser.h"
#include "server/fronts/http/problem.h"
#include "server/fronts/kserve/infer_answer.h"
#include "server/fronts/kserve/tensors.h"
#include "server/fronts/upscale_options.h"

namespace hiif::server {
namespace {

using http::Fields;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(Target, IsDecoded) {
  http::Request request;
  ASSERT_TRUE(http::ParseTarget("/a%2Fb?x=1+2&y=%41&z", &request).ok());
  EXPECT_EQ(request.path, "/a/b");
  EXPECT_THAT(request.query, ElementsAre(Pair("x", "1 2"), Pair("y", "A"), Pair("z", "")));
  for (const char* bad : {"a", "*", "ftp://x/", "http:/x", "/%", "/%4", "/%zz", "/%00", "/?a=%0"})
    EXPECT_FALSE(http::ParseTarget(bad, &request).ok()) << bad;
  std::string many = "/?";
  for (int i = 0; i < 100; ++i) many += "a=1&";
  EXPECT_FALSE(http::ParseTarget(many, &request).ok());
}

TEST(Target, OfAProxyAndOfTheServer) {
  for (const auto& [target, path] : Fields{{"http://h:80/a/b?x=1", "/a/b"},
                                           {"HTTPS://h?x=1", "/"},
                                           {"http://h", "/"},
                                           {"http://", "/"}}) {
    http::Request request;
    ASSERT_TRUE(http::ParseTarget(target, &request).ok()) << target;
    EXPECT_EQ(request.path, path);
    EXPECT_EQ(request.query.size(), target.find('?') == std::string::npos ? 0 : 1);
  }
  http::Request options;
  options.method = "OPTIONS";
  ASSERT_TRUE(http::ParseTarget("*", &options).ok());
  EXPECT_EQ(options.path, "*");
}

TEST(Accept, TheMostWantedWins) {
  const std::vector<absl::string_view> offers = {"image/png", "image/jpeg", "application/x"};
  EXPECT_EQ(http::Negotiate("", offers), 0);
  EXPECT_EQ(http::Negotiate("*/*", offers), 0);
  EXPECT_EQ(http::Negotiate("image/jpeg", offers), 1);
  EXPECT_EQ(http::Negotiate("image/png;q=0.2, image/*;q=0.8", offers), 1);
  EXPECT_EQ(http::Negotiate("IMAGE/JPEG; Q=1", offers), 1);
  EXPECT_EQ(http::Negotiate("text/html", offers), -1);
  EXPECT_EQ(http::Negotiate("image/*;q=0, application/*", offers), 2);
}

TEST(Head, ValuesCannotEndIt) {
  const std::string head = http::FormatHead(200, {{"A", "b\r\nSet-Cookie: c"},
                                                  {"D",
                                                   "\xff\x01"
                                                   "e"}});
  EXPECT_EQ(head, "HTTP/1.1 200 OK\r\nA: bSet-Cookie: c\r\nD: e\r\n\r\n");
}

TEST(Multipart, PartsAreFoundAndBorrowed) {
  const std::string body =
      "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"scale\"\r\n\r\n2.7\r\n"
      "--b  \r\ncontent-disposition: form-data; filename=\"x \\\" name=y\"; name=image\r\n"
      "Content-Type: image/png\r\n\r\n\x89PNG\r\n--bx\r\n\r\n--b\r\n"
      "Content-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b--\r\nepilogue";
  const auto parts = http::ParseMultipart(body, "b");
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 3);
  EXPECT_EQ((*parts)[0].name, "scale");
  EXPECT_EQ((*parts)[0].data, "2.7");
  EXPECT_FALSE((*parts)[0].file);
  EXPECT_EQ((*parts)[1].name, "image");
  EXPECT_TRUE((*parts)[1].file);
  EXPECT_GE((*parts)[1].data.data(), body.data());
  EXPECT_EQ((*parts)[2].data, "");
}

TEST(Multipart, WhatIsBrokenIsRefused) {
  const std::string named = "Content-Disposition: form-data; name=\"a\"\r\n";
  for (const std::string& body :
       {std::string(), std::string("--"), std::string("--b"), std::string("--b\r\n"),
        "--b\r\n" + named, "--b\r\n" + named + "\r\n", "--b\r\n" + named + "\r\nx",
        "--b\r\n" + named + "\r\nx\r\n--b", std::string("--b\r\nX: y\r\n\r\nx\r\n--b--"),
        "--b\r\n" + std::string(5000, 'x') + "\r\n\r\nx\r\n--b--", "--bx" + named})
    EXPECT_FALSE(http::ParseMultipart(body, "b").ok()) << body.substr(0, 60);
  EXPECT_EQ(*http::BoundaryOf("multipart/form-data; charset=x; boundary=\"a b\""), "a b");
  EXPECT_FALSE(http::BoundaryOf("multipart/form-data").ok());
  EXPECT_FALSE(http::BoundaryOf("multipart/form-data; boundary=" + std::string(71, 'x')).ok());
}

// Feeds the parser `step` bytes at a time; what error it ended with.
boost::beast::error_code Feed(http::RequestParser& parser, absl::string_view bytes, size_t step) {
  boost::beast::error_code error;
  std::string unread;
  for (size_t at = 0; at < bytes.size() && !parser.is_done(); at += step) {
    unread += std::string(bytes.substr(at, step));
    size_t used = 1;
    while (used > 0 && !unread.empty() && !parser.is_done()) {
      used = parser.put(boost::asio::const_buffer(unread.data(), unread.size()), error);
      unread.erase(0, used);
      if (parser.is_header_done()) parser.set_max_body(100);
    }
    if (error && error != boost::beast::http::error::need_more) return error;
  }
  return {};
}

TEST(Parser, BodiesArePaidFor) {
  for (const size_t step : {1, 7, 1000}) {
    ByteBudget budget(1 << 20);
    {
      http::RequestParser parser(&budget);
      EXPECT_FALSE(
          Feed(parser,
               std::string("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n") +
                   "1e;ext=1\r\n" + std::string(30, 'a') + "\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
               step));
      ASSERT_TRUE(parser.is_done());
      EXPECT_EQ(parser.request().method, "POST");
      EXPECT_EQ(parser.target(), "/x");
      EXPECT_EQ(parser.request().Header("host"), "h");
      EXPECT_EQ(parser.request().Header("trailer"), "");
      EXPECT_FALSE(budget.Take(1 << 20));
      EXPECT_EQ(parser.TakeBody(), std::string(30, 'a') + "de");
    }
    EXPECT_TRUE(budget.Take(1 << 20));  // all is given back
  }
}

TEST(Parser, BodiesAreBounded) {
  const std::string head = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n";
  ByteBudget budget(1 << 20);
  http::RequestParser large(&budget);
  EXPECT_TRUE(Feed(large, head + std::string(101, 'x'), 1000));
  EXPECT_TRUE(absl::IsInvalidArgument(large.refusal()));
  EXPECT_TRUE(large.too_large());
  ByteBudget spent(100);
  ASSERT_TRUE(spent.Take(90));
  http::RequestParser unpaid(&spent);
  EXPECT_TRUE(
      Feed(unpaid, "POST /x HTTP/1.1\r\nContent-Length: 90\r\n\r\n" + std::string(90, 'x'), 50));
  EXPECT_TRUE(absl::IsResourceExhausted(unpaid.refusal()));
  EXPECT_FALSE(unpaid.too_large());
  EXPECT_EQ(ReasonOf(unpaid.refusal()), kReasonMemory);
  EXPECT_TRUE(RetryDelayOf(unpaid.refusal()));
  http::RequestParser head_bomb(&budget);
  EXPECT_EQ(Feed(head_bomb, "GET / HTTP/1.1\r\n" + std::string(20000, 'x'), 100),
            boost::beast::http::error::header_limit);
  // Many fields, none of them long.
  std::string fields;
  for (int i = 0; i < 3000; ++i) fields += "A: b\r\n";
  for (const size_t step : {1, 100, 100000}) {
    http::RequestParser many(&budget);
    EXPECT_EQ(Feed(many, "GET / HTTP/1.1\r\n" + fields + "\r\n", step),
              boost::beast::http::error::header_limit);
  }
}

// What the budget never has is not worth another try; what it has is taken, however it comes.
TEST(Parser, WhatNeverFitsIsToldApart) {
  const std::string chunked = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  ByteBudget small(64);
  {
    http::RequestParser fits(&small);
    EXPECT_FALSE(Feed(fits, chunked + "40\r\n" + std::string(64, 'x') + "\r\n0\r\n\r\n", 9));
    EXPECT_TRUE(fits.is_done());
  }
  for (const std::string& head :
       {chunked + "41\r\n", std::string("POST /x HTTP/1.1\r\nContent-Length: 65\r\n\r\n")}) {
    http::RequestParser never(&small);
    EXPECT_TRUE(Feed(never, head + std::string(65, 'x'), 20));
    EXPECT_TRUE(never.too_large());
    EXPECT_EQ(ReasonOf(never.refusal()), kReasonTooLarge);
    EXPECT_FALSE(RetryDelayOf(never.refusal()));
    EXPECT_THAT(std::string(never.refusal().message()), HasSubstr("--memory-bytes"));
  }
  http::RequestParser announced(&small);
  EXPECT_FALSE(Feed(announced, "POST /x HTTP/1.1\r\nContent-Length: 65\r\n\r\n", 1000));
  EXPECT_EQ(ReasonOf(announced.CheckAnnounced()), kReasonTooLarge);
  EXPECT_TRUE(small.Take(64));
}

TEST(Parser, AnEmptyFieldCounts) {
  ByteBudget budget(1 << 20);
  http::RequestParser parser(&budget);
  EXPECT_FALSE(Feed(parser, "GET / HTTP/1.1\r\nA:\r\nB:\r\na: x\r\n\r\n", 1000));
  EXPECT_EQ(parser.request().Header("a"), ", x");
  EXPECT_TRUE(parser.request().headers.contains("b"));
}

TEST(Problem, SaysWhatGrpcSays) {
  const http::Answer answer =
      http::Problem(ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonQueueFull,
                                    "full \xff\"", absl::Milliseconds(1200)),
                    "id-1");
  EXPECT_EQ(answer.status, 429);
  EXPECT_THAT(answer.body, HasSubstr("\"reason\":\"QUEUE_FULL\""));
  EXPECT_THAT(answer.body, HasSubstr("\"retry_after_seconds\":1.2"));
  EXPECT_THAT(answer.headers, testing::Contains(Pair("Retry-After", "2")));
  EXPECT_EQ(http::Problem(InvalidField("scale", "x"), "").status, 400);
  EXPECT_EQ(http::Problem(absl::UnavailableError("x"), "").status, 503);
}

TEST(UpscaleOptions, FieldsBecomeParameters) {
  const auto options = ParseUpscaleOptions({{"scale_x", "2.5"},
                                            {"scale_y", "3"},
                                            {"format", "JPG"},
                                            {"quality", "30"},
                                            {"region", "1,2,3,4"},
                                            {"timeout", "1.5"},
                                            {"sample_type", "u16"},
                                            {"clip", "true"},
                                            {"priority", "-3"},
                                            {"resume_token", "00ff"},
                                            {"model", "m"}});
  ASSERT_TRUE(options.ok()) << options.status();
  const auto& parameters = options->parameters;
  EXPECT_EQ(parameters.scale().rx(), 2.5);
  EXPECT_EQ(parameters.scale().ry(), 3);
  EXPECT_EQ(parameters.encoded().format(), v1::FILE_FORMAT_JPEG);
  EXPECT_EQ(parameters.encoded().quality(), 30);
  EXPECT_EQ(parameters.region().height(), 4);
  EXPECT_EQ(options->timeout, absl::Milliseconds(1500));
  EXPECT_EQ(parameters.sample_type(), v1::SAMPLE_TYPE_U16);
  EXPECT_TRUE(parameters.clip());
  EXPECT_EQ(parameters.priority(), -3);
  EXPECT_EQ(parameters.resume_token(), std::string("\0\xff", 2));
  EXPECT_FALSE(ParseUpscaleOptions({{"scale", "2"}})->parameters.has_encoded());
  for (const auto& [name, value] : UpscaleFields{{"scale", ""},
                                                 {"scale", "1e"},
                                                 {"sample_type", "0"},
                                                 {"resume_token", "0"},
                                                 {"timeout", "nan"},
                                                 {"encoded", "x"},
                                                 {"target", "x"},
                                                 {"nothing", "x"}}) {
    UpscaleFields fields = {{name, value}};
    if (name != "scale") fields.emplace_back("scale", "2");
    EXPECT_EQ(FieldOf(ParseUpscaleOptions(fields).status()), name);
  }
}

TEST(UpscaleOptions, WhatIsAllowedIsSaid) {
  const auto refusal = [](const std::string& name, const std::string& value) {
    UpscaleFields fields = {{name, value}};
    if (name != "scale") fields.emplace_back("scale", "2");
    return std::string(ParseUpscaleOptions(fields).status().message());
  };
  EXPECT_EQ(refusal("scale", "2,7"), "scale: \"2,7\" is not a number such as 2.7");
  EXPECT_EQ(refusal("sample_type", "u9"), "sample_type: \"u9\" is none of u8, u16, f32");
  EXPECT_THAT(refusal("tile_size", "99999999999"), HasSubstr("whole number of up to 2147483647"));
  EXPECT_THAT(refusal("", "x"), HasSubstr("url: no such parameter"));
}

TEST(Tensors, ASingleMeansItsDecimal) {
  EXPECT_EQ(kserve::MeantBy(2.7f), 2.7);
  EXPECT_EQ(kserve::MeantBy(2.1f), 2.1);
  EXPECT_EQ(kserve::MeantBy(3.0f), 3.0);
  EXPECT_TRUE(std::isnan(kserve::MeantBy(std::nanf(""))));
}

v1::UpscaleResponse FileHeader() {
  v1::UpscaleResponse response;
  response.mutable_header()->set_format(v1::FILE_FORMAT_PNG);
  return response;
}

v1::UpscaleResponse Chunk(size_t bytes) {
  v1::UpscaleResponse response;
  response.mutable_chunk()->set_data(std::string(bytes, 'x'));
  return response;
}

// As for uploads: what fits is taken though twice as much would not, what never fits is told apart.
TEST(InferAnswer, WhatNeverFitsIsToldApart) {
  ByteBudget budget(100);
  {
    kserve::InferAnswer answer(&budget);
    ASSERT_TRUE(answer.Write(FileHeader()).ok());
    EXPECT_TRUE(answer.Write(Chunk(60)).ok());
    EXPECT_TRUE(answer.Write(Chunk(40)).ok());
    const absl::Status never = answer.Write(Chunk(1));
    EXPECT_EQ(ReasonOf(never), kReasonTooLarge);
    EXPECT_FALSE(RetryDelayOf(never));
    EXPECT_THAT(std::string(never.message()), HasSubstr("--memory-bytes"));
    kserve::InferAnswer other(&budget);
    const absl::Status later = other.Write(Chunk(1));
    EXPECT_EQ(ReasonOf(later), kReasonMemory);
    EXPECT_TRUE(RetryDelayOf(later));
  }
  EXPECT_TRUE(budget.Take(100));
}

TEST(InferAnswer, LossesAreAParameter) {
  ByteBudget budget(100);
  for (const bool lost : {false, true}) {
    kserve::InferAnswer answer(&budget);
    ASSERT_TRUE(answer.Write(FileHeader()).ok());
    v1::UpscaleResponse end;
    end.mutable_trailer();
    if (lost) {
      end.mutable_trailer()->add_warnings("one");
      end.mutable_trailer()->add_warnings("two");
    }
    ASSERT_TRUE(answer.Write(end).ok());
    inference::ModelInferResponse response;
    answer.MoveTo(&response);
    ASSERT_EQ(response.parameters().contains("warnings"), lost);
    if (!lost) continue;
    EXPECT_EQ(response.parameters().at("warnings").string_param(), "one; two");
  }
}

}  // namespace
}  // namespace hiif::server
