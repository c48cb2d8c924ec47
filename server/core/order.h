// What an Upscale asks for.
#ifndef SERVER_CORE_ORDER_H_
#define SERVER_CORE_ORDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "base/image.h"
#include "hiif/v1/super_resolution.pb.h"
#include "imaging/format.h"
#include "server/models/model_use.h"

namespace hiif::server {

struct ScaleFactors {
  double rx = 1;
  double ry = 0;  // 0: as rx
};
struct TargetSize {  // in pixels; one of them may be 0
  int64_t width = 0;
  int64_t height = 0;
};
struct FileOrder {
  ImageFormat format = ImageFormat::kPng;
  int quality = 0;
  bool strip_metadata = false;
};

// Of the parameters as they came: parsed once, checked as far as that can be without the image.
// Members are those of v1::UpscaleParameters, which says what they mean.
struct UpscaleOrder {
  // InvalidArgument naming the field.
  static absl::StatusOr<UpscaleOrder> Parse(const v1::UpscaleParameters& parameters);

  std::variant<ScaleFactors, TargetSize> size;
  std::string model;
  std::string model_version;
  std::optional<Region> region;  // not looked at beside the output's size
  int tile_size = 0;
  std::optional<SampleType> type;  // unset: the input's
  std::optional<FileOrder> file;   // unset: raw tiles
  bool convert_to_srgb = false;
  ModelUse use;
  bool clip = false;
  bool validate_only = false;
  int frame = 0;
  int priority = 0;
  int64_t first_tile = 0;
  std::string resume_token;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_ORDER_H_
