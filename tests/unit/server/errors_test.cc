#include "server/errors/errors.h"

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/fronts/grpc/status_translator.h"

namespace hiif::server {
namespace {

using testing::HasSubstr;

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

template <typename Message>
Message Unpack(const google::rpc::Status& details) {
  Message message;
  for (const auto& any : details.details())
    if (any.UnpackTo(&message)) return message;
  ADD_FAILURE() << "no " << Message::descriptor()->full_name();
  return message;
}

TEST(StatusTranslator, CodesAreKept) {
  for (int code = 1; code <= 16; ++code) {
    const auto status = ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "why");
    EXPECT_TRUE(status.error_details().empty());
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(StatusTranslator, InvalidFieldIsABadRequest) {
  const auto status = ToGrpcStatus(InvalidField("parameters.scale.rx", "1 to 32 is allowed"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "parameters.scale.rx: 1 to 32 is allowed");
  const auto details = Details(status);
  EXPECT_EQ(details.code(), 3);
  const auto bad = Unpack<google::rpc::BadRequest>(details);
  ASSERT_EQ(bad.field_violations_size(), 1);
  EXPECT_EQ(bad.field_violations(0).field(), "parameters.scale.rx");
  EXPECT_EQ(Unpack<google::rpc::ErrorInfo>(details).reason(), kReasonInvalidField);
}

TEST(StatusTranslator, DetailsAreReadWhateverBytesAClientSent) {
  const auto status = InvalidField("\xff", "\"\xc3(\" is not a number");
  EXPECT_EQ(FieldOf(status), "?");
  const auto details = Details(ToGrpcStatus(status));
  EXPECT_EQ(Unpack<google::rpc::BadRequest>(details).field_violations(0).description(),
            "\"?(\" is not a number");
  EXPECT_EQ(ToGrpcStatus(absl::NotFoundError("\xff")).error_message(), "?");
}

TEST(StatusTranslator, RejectionSaysWhenToRetry) {
  const auto refused = ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonQueueFull,
                                       "the queue is full", absl::Milliseconds(2500));
  const auto details = Details(ToGrpcStatus(refused));
  const auto retry = Unpack<google::rpc::RetryInfo>(details);
  EXPECT_EQ(retry.retry_delay().seconds(), 2);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
  EXPECT_EQ(Unpack<google::rpc::ErrorInfo>(details).reason(), "QUEUE_FULL");
  EXPECT_EQ(Unpack<google::rpc::ErrorInfo>(details).domain(), "hiif.v1");
  EXPECT_EQ(PushbackMilliseconds(refused), "2500");
  EXPECT_EQ(ReasonOf(refused), "QUEUE_FULL");
  EXPECT_EQ(RetryDelayOf(refused), absl::Milliseconds(2500));
}

TEST(StatusTranslator, NoRetryInfoNoPushback) {
  const auto status =
      ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonTooLarge, "too large");
  EXPECT_EQ(PushbackMilliseconds(status), std::nullopt);
  EXPECT_EQ(RetryDelayOf(absl::InternalError("x")), std::nullopt);
}

TEST(StatusTranslator, LongMessagesAreCutSoThatTrailersFit) {
  const auto status = ToGrpcStatus(InvalidField("image", std::string(100000, 'x')));
  EXPECT_LE(status.error_message().size(), 1500u);
}

TEST(Errors, UnderFieldTakesTheNameFromTheMessage) {
  EXPECT_THAT(std::string(UnderField("parameters.target",
                                     absl::InvalidArgumentError("width: 3 is out of range"))
                              .message()),
              HasSubstr("parameters.target.width: 3 is"));
  EXPECT_THAT(
      std::string(UnderField("image", absl::InvalidArgumentError("not an image: odd")).message()),
      HasSubstr("image: not an image: odd"));
  EXPECT_TRUE(absl::IsInternal(UnderField("image", absl::InternalError("x"))));
}

}  // namespace
}  // namespace hiif::server
