// What an Upscale request amounts to: sizes, tiles, types. Everything that can be refused without
// decoding the image is refused here.
#ifndef SERVER_CORE_PLAN_H_
#define SERVER_CORE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/image.h"
#include "server/core/limits.h"
#include "server/core/order.h"
#include "server/models/model_use.h"

namespace hiif::server {

// No response message is larger.
inline constexpr int64_t kMaxMessageBytes = int64_t{1} << 20;
// Samples of a tile, bytes of a chunk: room for the other fields is left.
inline constexpr int64_t kMaxPayloadBytes = kMaxMessageBytes - 256;

// Of the input, oriented, as its header says.
struct ImageFacts {
  Grid size;
  int channels = 3;
  SampleType type = SampleType::kU8;
};

struct Plan {
  Grid input;
  Grid output;    // the whole, whatever the region
  Region region;  // what is sent
  int channels = 3;
  SampleType type = SampleType::kU8;  // of what leaves the server
  int tile_size = 256;
  int64_t first_tile = 0;
  std::optional<FileOrder> file;  // unset: raw tiles
  std::vector<std::string> warnings;

  int64_t columns() const { return (region.width + tile_size - 1) / tile_size; }
  int64_t rows() const { return (region.height + tile_size - 1) / tile_size; }
  int64_t tiles() const { return columns() * rows(); }
  int64_t pixel_bytes() const { return int64_t{channels} * SampleBytes(type); }
  // Tile `index` of the grid, in output pixels.
  Region Tile(int64_t index) const;
};

// InvalidArgument naming the field; Unimplemented: a format this build does not write.
absl::StatusOr<Plan> MakePlan(const UpscaleOrder& order, const ImageFacts& image,
                              const Limits& limits);

// Identifies pixels: equal tokens promise equal tiles. image_digest and weights_digest as SHA-256.
std::string ResumeToken(const Plan& plan, bool convert_to_srgb, const ModelUse& use,
                        absl::string_view image_digest, absl::string_view weights_digest,
                        absl::string_view backend, absl::string_view precision,
                        int64_t context_samples);

}  // namespace hiif::server

#endif  // SERVER_CORE_PLAN_H_
