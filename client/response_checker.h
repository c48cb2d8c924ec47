// What a response stream must look like. Nothing reaches the caller that this has not seen.
#ifndef CLIENT_RESPONSE_CHECKER_H_
#define CLIENT_RESPONSE_CHECKER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "hiif/v1/super_resolution.pb.h"

namespace hiif::client {

// Bytes of one sample; unspecified counts as u8.
int SampleBytes(v1::SampleType type);

// Checks one stream: a header of what was asked for, then tiles (or chunks) without a gap, each
// with its checksum, then a trailer that agrees with what came. Every error is DataLoss: the stream
// may be tried again.
class ResponseChecker {
 public:
  // asked: outlives the checker; null: anything that a server may send. first: index of the first
  // tile that was asked for. raw: the pixels that were sent, null for a file.
  explicit ResponseChecker(const v1::UpscaleParameters* asked = nullptr, int64_t first = 0,
                           const v1::RawImage* raw = nullptr)
      : asked_(asked), raw_(raw), next_(first) {}

  absl::Status Header(const v1::UpscaleHeader& header);
  absl::Status Tile(const v1::Tile& tile);
  absl::Status Chunk(const v1::EncodedChunk& chunk);
  // Also whether all tiles came, unless nothing was to be computed.
  absl::Status Trailer(const v1::UpscaleTrailer& trailer, bool validate_only);

  bool has_header() const { return has_header_; }
  bool has_trailer() const { return has_trailer_; }
  // Index of the tile to come.
  int64_t next_tile() const { return next_; }

 private:
  absl::Status Order(bool header, bool encoded) const;
  absl::Status AsAsked(const v1::UpscaleHeader& header) const;

  const v1::UpscaleParameters* const asked_;
  const v1::RawImage* const raw_;
  bool has_header_ = false;
  bool has_trailer_ = false;
  v1::UpscaleHeader header_;  // without the profile
  int64_t next_;
  int64_t offset_ = 0;
  int64_t messages_ = 0;
  uint32_t crc_ = 0;
};

}  // namespace hiif::client

#endif  // CLIENT_RESPONSE_CHECKER_H_
