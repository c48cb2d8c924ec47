// One Upscale with its retries. Internal to client/.
#ifndef CLIENT_UPSCALE_CALL_H_
#define CLIENT_UPSCALE_CALL_H_

#include <optional>

#include "client/attempt.h"
#include "client/client.h"

namespace hiif::client {

class UpscaleCall {
 public:
  UpscaleCall(const ImageInput& image, const v1::UpscaleParameters& parameters,
              UpscaleReceiver* receiver, int64_t upload_above_bytes);

  // For RunAttempts().
  std::optional<Failure> Try(Attempt& attempt, RetryState& retry);
  const v1::UpscaleTrailer& trailer() const { return trailer_; }

 private:
  // Reads a stream to its end. Reader: grpc::ClientReaderInterface or ...ReaderWriterInterface.
  template <typename Reader>
  std::optional<Failure> Receive(Reader& reader, Attempt& attempt, RetryState& retry);
  absl::Status Accept(const v1::UpscaleResponse& response, class ResponseChecker* checker);
  absl::Status AcceptHeader(const v1::UpscaleHeader& header);
  // What came is kept, whatever happens to the stream, and is more than ever before. Chunks of a
  // file come again from the first one, so does what has no token to resume with.
  bool IsProgress();
  void StartOver();

  const ImageInput image_;
  const bool upload_;
  UpscaleReceiver* const receiver_;
  v1::UpscaleRequest request_;  // with the resume token once there is one; upload: parameters only
  // Of the output so far.
  std::optional<v1::UpscaleHeader> begun_;
  int64_t next_tile_ = 0;
  // Of all outputs that were begun: the furthest tile that a resumed call need not send again.
  int64_t furthest_tile_ = 0;
  v1::UpscaleTrailer trailer_;
  absl::Status receiver_error_;
};

}  // namespace hiif::client

#endif  // CLIENT_UPSCALE_CALL_H_
