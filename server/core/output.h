// From tiles in order to messages: raw tiles, or the chunks of one encoded file.
#ifndef SERVER_CORE_OUTPUT_H_
#define SERVER_CORE_OUTPUT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "imaging/picture.h"
#include "server/core/call.h"
#include "server/core/plan.h"

namespace hiif::server {

class Output {
 public:
  virtual ~Output() = default;
  // Tiles in order. Errors of the stream come back as they are.
  virtual absl::Status AddTile(int64_t index, std::string samples) = 0;
  // After the last one.
  virtual absl::Status Finish() = 0;

  // What of the picture's metadata the output does not hold, a sentence each.
  virtual std::vector<std::string> warnings() const { return {}; }

  uint32_t crc32c() const { return crc32c_; }  // of all payloads so far
  int64_t messages() const { return messages_; }

 protected:
  uint32_t crc32c_ = 0;
  int64_t messages_ = 0;
};

// Each tile a message.
std::unique_ptr<Output> MakeTileOutput(const Plan& plan, UpscaleStream* stream);

// A file, as plan.format says, in chunks of at most kMaxPayloadBytes; each is sent as soon as it is
// full. The metadata are those of the picture unless `strip`.
absl::StatusOr<std::unique_ptr<Output>> MakeFileOutput(const Plan& plan, const Picture& picture,
                                                       bool strip, UpscaleStream* stream);

}  // namespace hiif::server

#endif  // SERVER_CORE_OUTPUT_H_
