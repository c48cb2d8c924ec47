// A receiver that keeps the whole output.
#ifndef CLIENT_OUTPUT_BUFFER_H_
#define CLIENT_OUTPUT_BUFFER_H_

#include "client/client.h"

namespace hiif::client {

// Tiles are put into their rows as they come. Not thread-safe.
class OutputBuffer : public UpscaleReceiver {
 public:
  // validate_only: of a call that asks for no pixels; none are kept.
  explicit OutputBuffer(bool validate_only = false) : validate_only_(validate_only) {}

  absl::Status Begin(const v1::UpscaleHeader& header) override;
  absl::Status Tile(const v1::Tile& tile) override;
  absl::Status Chunk(const v1::EncodedChunk& chunk) override;

  // Once, at the end.
  UpscaleOutput Take(v1::UpscaleTrailer trailer);

 private:
  const bool validate_only_;
  UpscaleOutput output_;
};

}  // namespace hiif::client

#endif  // CLIENT_OUTPUT_BUFFER_H_
