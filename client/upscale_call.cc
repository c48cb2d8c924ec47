#include "client/upscale_call.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "client/response_checker.h"
#include "client/upload.h"
#include "google/protobuf/util/message_differencer.h"
#include "hiif/v1/super_resolution.grpc.pb.h"

namespace hiif::client {
namespace {

// What tiles of two streams must have in common to be parts of one output.
bool SameOutput(v1::UpscaleHeader a, v1::UpscaleHeader b) {
  for (v1::UpscaleHeader* header : {&a, &b}) {
    header->clear_estimated_seconds();
    header->clear_request_id();
    header->clear_resume_token();
  }
  return google::protobuf::util::MessageDifferencer::Equals(a, b);
}

}  // namespace

UpscaleCall::UpscaleCall(const ImageInput& image, const v1::UpscaleParameters& parameters,
                         UpscaleReceiver* receiver, int64_t upload_above_bytes)
    : image_(image), upload_(MustUpload(image, upload_above_bytes)), receiver_(receiver) {
  *request_.mutable_parameters() = parameters;
  if (upload_) return;
  if (image.raw != nullptr) {
    *request_.mutable_image()->mutable_raw() = *image.raw;
  } else {
    request_.mutable_image()->set_encoded(std::string(image.encoded));
  }
}

std::optional<Failure> UpscaleCall::Try(Attempt& attempt, RetryState& retry) {
  if (begun_ && !begun_->resume_token().empty()) {
    request_.mutable_parameters()->set_resume_token(begun_->resume_token());
    request_.mutable_parameters()->set_first_tile(next_tile_);
  }
  const auto stub = v1::SuperResolutionService::NewStub(attempt.channel());
  if (!upload_) {
    const auto reader = stub->Upscale(attempt.context(), request_);
    return Receive(*reader, attempt, retry);
  }
  const auto stream = stub->UpscaleUpload(attempt.context());
  v1::UpscaleUploadRequest first;
  *first.mutable_parameters() = request_.parameters();
  // Where the server closed the stream, its status says why.
  SendUpload(first, image_, stream.get(), attempt.watch());
  return Receive(*stream, attempt, retry);
}

template <typename Reader>
std::optional<Failure> UpscaleCall::Receive(Reader& reader, Attempt& attempt, RetryState& retry) {
  const bool resumed = !request_.parameters().resume_token().empty();
  ResponseChecker checker(&request_.parameters(), resumed ? next_tile_ : 0, image_.raw);
  v1::UpscaleResponse response;
  absl::Status refused;
  const auto read = [&] {
    const StallWatch::Wait wait(attempt.watch());
    return reader.Read(&response);
  };
  while (refused.ok() && read()) {
    refused = Accept(response, &checker);
    if (refused.ok() && IsProgress()) retry.Progress();
  }
  if (!refused.ok()) attempt.context()->TryCancel();
  const grpc::Status status = reader.Finish();
  if (!receiver_error_.ok()) return Failure{.status = receiver_error_, .final = true};
  Failure failure;
  if (!refused.ok()) {
    failure.status = refused;
  } else if (!status.ok()) {
    failure = attempt.Failed(status);
  } else if (checker.has_trailer()) {
    return std::nullopt;
  } else {
    failure.status = absl::DataLossError("the server's answer ended without a trailer");
  }
  if (resumed && failure.status.code() == absl::StatusCode::kFailedPrecondition) {
    // Another server, model or image than the token is of: the whole output from there.
    StartOver();
    failure.status = absl::DataLossError(failure.status.message());
  }
  return failure;
}

absl::Status UpscaleCall::Accept(const v1::UpscaleResponse& response, ResponseChecker* checker) {
  switch (response.part_case()) {
    case v1::UpscaleResponse::kHeader:
      HIIF_RETURN_IF_ERROR(checker->Header(response.header()));
      return AcceptHeader(response.header());
    case v1::UpscaleResponse::kTile:
      HIIF_RETURN_IF_ERROR(checker->Tile(response.tile()));
      receiver_error_ = receiver_->Tile(response.tile());
      next_tile_ = checker->next_tile();
      return receiver_error_;
    case v1::UpscaleResponse::kChunk:
      HIIF_RETURN_IF_ERROR(checker->Chunk(response.chunk()));
      receiver_error_ = receiver_->Chunk(response.chunk());
      return receiver_error_;
    case v1::UpscaleResponse::kTrailer:
      trailer_ = response.trailer();
      return checker->Trailer(trailer_, request_.parameters().validate_only());
    case v1::UpscaleResponse::PART_NOT_SET:
      break;
  }
  return absl::DataLossError("the server's answer has a part this client does not know");
}

absl::Status UpscaleCall::AcceptHeader(const v1::UpscaleHeader& header) {
  const bool resumed = !request_.parameters().resume_token().empty();
  if (resumed && SameOutput(*begun_, header)) return absl::OkStatus();
  if (resumed) return absl::FailedPreconditionError("the output changed while it was resumed");
  begun_ = header;
  next_tile_ = 0;
  receiver_error_ = receiver_->Begin(header);
  return receiver_error_;
}

bool UpscaleCall::IsProgress() {
  if (begun_->resume_token().empty() || next_tile_ <= furthest_tile_) return false;
  furthest_tile_ = next_tile_;
  return true;
}

void UpscaleCall::StartOver() {
  begun_.reset();
  next_tile_ = 0;
  request_.mutable_parameters()->clear_resume_token();
  request_.mutable_parameters()->clear_first_tile();
}

}  // namespace hiif::client
