// From results in order to messages: raw tiles, or the chunks of one encoded file.
#ifndef SERVER_CORE_OUTPUT_H_
#define SERVER_CORE_OUTPUT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/core/call.h"
#include "server/core/plan.h"

namespace hiif::server {

// What has gone into a stream.
class Output {
 public:
  explicit Output(UpscaleStream* stream) : stream_(stream) {}
  uint32_t crc32c() const { return crc32c_; }  // of all payloads so far
  int64_t messages() const { return messages_; }

 protected:
  // Counts a payload; its CRC-32C.
  uint32_t Count(absl::string_view payload);

  UpscaleStream* const stream_;
  v1::UpscaleResponse response_;

 private:
  uint32_t crc32c_ = 0;
  int64_t messages_ = 0;
};

// Each tile a message. Errors of the stream come back as they are.
class TileOutput : public Output {
 public:
  TileOutput(const Plan& plan, UpscaleStream* stream) : Output(stream), plan_(plan) {}
  absl::Status AddTile(int64_t index, std::string samples);

 private:
  const Plan plan_;
};

// Chunks of at most kMaxPayloadBytes; each is sent as soon as it is full.
class ChunkOutput : public Output {
 public:
  using Output::Output;
  absl::Status Append(absl::string_view bytes);
  // After the last byte.
  absl::Status Finish();

 private:
  absl::Status Send();

  std::string pending_;
  int64_t offset_ = 0;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_OUTPUT_H_
