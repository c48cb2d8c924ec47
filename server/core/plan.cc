#include "server/core/plan.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "imaging/geometry.h"
#include "server/core/errors.h"
#include "server/core/request_id.h"

namespace hiif::server {
namespace {

// A tile narrower than the kernels' own blocks would waste them.
constexpr int kTileStep = 16;
constexpr int kMinTile = 16;
constexpr int kMaxTile = 4096;

absl::Status CheckFactor(absl::string_view field, double factor) {
  if (factor >= kMinScale && factor <= kMaxScale) return absl::OkStatus();  // false for NaN
  return InvalidField(field, absl::StrFormat("%g is out of range; a factor of %g to %g is allowed",
                                             factor, kMinScale, kMaxScale));
}

absl::StatusOr<SampleType> FromProto(v1::SampleType type, SampleType otherwise) {
  switch (type) {
    case v1::SAMPLE_TYPE_UNSPECIFIED:
      return otherwise;
    case v1::SAMPLE_TYPE_U8:
      return SampleType::kU8;
    case v1::SAMPLE_TYPE_U16:
      return SampleType::kU16;
    case v1::SAMPLE_TYPE_F32:
      return SampleType::kF32;
    default:
      return InvalidField("parameters.sample_type",
                          absl::StrCat(type, " is not a value of SampleType"));
  }
}

absl::StatusOr<ImageFormat> FromProto(v1::FileFormat format) {
  switch (format) {
    case v1::FILE_FORMAT_PNG:
      return ImageFormat::kPng;
    case v1::FILE_FORMAT_JPEG:
      return ImageFormat::kJpeg;
    case v1::FILE_FORMAT_WEBP:
      return ImageFormat::kWebp;
    case v1::FILE_FORMAT_TIFF:
      return ImageFormat::kTiff;
    case v1::FILE_FORMAT_AVIF:
      return ImageFormat::kAvif;
    default:
      return InvalidField("parameters.encoded.format",
                          "a format is needed: PNG, JPEG, WEBP, TIFF or AVIF");
  }
}

absl::Status CheckRegion(const v1::Region& region) {
  if (region.width() < 1)
    return InvalidField("parameters.region.width", "the region is empty; 1 or more is allowed");
  if (region.height() < 1)
    return InvalidField("parameters.region.height", "the region is empty; 1 or more is allowed");
  if (region.x() < 0) return InvalidField("parameters.region.x", "0 or more is allowed");
  if (region.y() < 0) return InvalidField("parameters.region.y", "0 or more is allowed");
  return absl::OkStatus();
}

absl::StatusOr<Grid> OutputGrid(const v1::UpscaleParameters& parameters, Grid input) {
  if (parameters.has_scale()) {
    auto grid = GridFromScale(input, parameters.scale().rx(), parameters.scale().ry());
    if (!grid.ok()) return UnderField("parameters.scale", grid.status());
    return grid;
  }
  auto grid = GridFromTarget(input, parameters.target().width(), parameters.target().height());
  if (!grid.ok()) return UnderField("parameters.target", grid.status());
  return grid;
}

absl::StatusOr<Region> OutputRegion(const v1::UpscaleParameters& parameters, Grid output) {
  if (!parameters.has_region()) return Region{0, 0, output.width, output.height};
  const Region region{parameters.region().x(), parameters.region().y(), parameters.region().width(),
                      parameters.region().height()};
  // Written so that nothing overflows.
  if (region.x >= output.width || region.width > output.width - region.x)
    return InvalidField("parameters.region",
                        absl::StrFormat("columns %d to %d are not inside the output's 0 to %d",
                                        region.x, region.x + (region.width - 1), output.width - 1));
  if (region.y >= output.height || region.height > output.height - region.y)
    return InvalidField(
        "parameters.region",
        absl::StrFormat("rows %d to %d are not inside the output's 0 to %d", region.y,
                        region.y + (region.height - 1), output.height - 1));
  return region;
}

// The largest side up to `wanted` at which a tile fits into a message.
int TileSize(int wanted, int64_t pixel_bytes) {
  const int most = static_cast<int>(std::sqrt(static_cast<double>(kMaxPayloadBytes / pixel_bytes)));
  return wanted <= most ? wanted : most / kTileStep * kTileStep;
}

}  // namespace

Region Plan::Tile(int64_t index) const {
  const int64_t x = index % columns() * tile_size;
  const int64_t y = index / columns() * tile_size;
  return {region.x + x, region.y + y, std::min<int64_t>(tile_size, region.width - x),
          std::min<int64_t>(tile_size, region.height - y)};
}

absl::Status CheckParameters(const v1::UpscaleParameters& parameters) {
  switch (parameters.size_case()) {
    case v1::UpscaleParameters::kScale:
      HIIF_RETURN_IF_ERROR(CheckFactor("parameters.scale.rx", parameters.scale().rx()));
      if (parameters.scale().ry() != 0)
        HIIF_RETURN_IF_ERROR(CheckFactor("parameters.scale.ry", parameters.scale().ry()));
      break;
    case v1::UpscaleParameters::kTarget:
      if (parameters.target().width() < 0)
        return InvalidField("parameters.target.width", "0 (from the height) or more is allowed");
      if (parameters.target().height() < 0)
        return InvalidField("parameters.target.height", "0 (from the width) or more is allowed");
      if (parameters.target().width() == 0 && parameters.target().height() == 0)
        return InvalidField("parameters.target", "a width, a height or both are needed");
      break;
    default:
      return InvalidField("parameters.size", "either scale or target is needed");
  }
  if (parameters.has_region()) HIIF_RETURN_IF_ERROR(CheckRegion(parameters.region()));
  if (parameters.tile_size() != 0 &&
      (parameters.tile_size() < kMinTile || parameters.tile_size() > kMaxTile))
    return InvalidField("parameters.tile_size",
                        absl::StrFormat("0 or %d to %d is allowed", kMinTile, kMaxTile));
  HIIF_RETURN_IF_ERROR(FromProto(parameters.sample_type(), SampleType::kU8).status());
  if (parameters.has_encoded()) {
    HIIF_RETURN_IF_ERROR(FromProto(parameters.encoded().format()).status());
    if (parameters.encoded().quality() < 0 || parameters.encoded().quality() > 100)
      return InvalidField("parameters.encoded.quality", "0 (the default) to 100 is allowed");
    if (!parameters.resume_token().empty() || parameters.first_tile() != 0)
      return InvalidField("parameters.resume_token", "an encoded output cannot be resumed");
  }
  if (parameters.priority() < -10 || parameters.priority() > 10)
    return InvalidField("parameters.priority", "-10 to 10 is allowed");
  if (parameters.first_tile() < 0)
    return InvalidField("parameters.first_tile", "0 or more is allowed");
  if (parameters.first_tile() > 0 && parameters.resume_token().empty())
    return InvalidField("parameters.resume_token",
                        "first_tile needs the token of the stream that is resumed");
  return RequestId("parameters.request_id", parameters.request_id()).status();
}

absl::StatusOr<Plan> MakePlan(const v1::UpscaleParameters& parameters, const ImageFacts& image,
                              const PlanLimits& limits) {
  HIIF_RETURN_IF_ERROR(CheckParameters(parameters));
  Plan plan;
  plan.input = image.size;
  plan.channels = image.channels;
  HIIF_ASSIGN_OR_RETURN(plan.output, OutputGrid(parameters, image.size));
  HIIF_ASSIGN_OR_RETURN(plan.region, OutputRegion(parameters, plan.output));
  HIIF_ASSIGN_OR_RETURN(plan.type, FromProto(parameters.sample_type(), image.type));
  if (plan.region.pixels() > limits.max_output_pixels)
    return InvalidField(
        parameters.has_region() ? "parameters.region" : "parameters.size",
        absl::StrFormat(
            "%d x %d are %d pixels, this server's limit is %d; ask for a smaller output "
            "or for regions of it",
            plan.region.width, plan.region.height, plan.region.pixels(), limits.max_output_pixels));
  if (parameters.has_encoded()) {
    HIIF_ASSIGN_OR_RETURN(plan.format, FromProto(parameters.encoded().format()));
    plan.quality = parameters.encoded().quality();
    plan.type = StoredType(*plan.format, plan.type);
    HIIF_RETURN_IF_ERROR(
        AtField("parameters.encoded.format",
                CheckWritable(*plan.format, {plan.region.height, plan.region.width})));
  }
  const int wanted =
      parameters.tile_size() == 0 ? limits.default_tile_size : parameters.tile_size();
  plan.tile_size = TileSize(wanted, plan.pixel_bytes());
  plan.first_tile = parameters.first_tile();
  if (plan.first_tile > plan.tiles())
    return InvalidField(
        "parameters.first_tile",
        absl::StrFormat("%d is behind the last tile; there are %d", plan.first_tile, plan.tiles()));
  return plan;
}

std::string ResumeToken(const Plan& plan, bool convert_to_srgb, bool self_ensemble,
                        absl::string_view image_digest, absl::string_view weights_digest,
                        absl::string_view backend, absl::string_view precision,
                        int64_t context_samples) {
  return Sha256(absl::StrCat(
      "hiif.v1 resume 1|", image_digest, "|", weights_digest, "|", backend, "|", precision, "|",
      context_samples, "|", plan.output.width, "x", plan.output.height, "|", plan.region.x, ",",
      plan.region.y, ",", plan.region.width, ",", plan.region.height, "|", plan.tile_size, "|",
      plan.channels, "|", static_cast<int>(plan.type), "|", static_cast<int>(convert_to_srgb), "|",
      static_cast<int>(self_ensemble)));
}

v1::SampleType ToProto(SampleType type) {
  switch (type) {
    case SampleType::kU8:
      return v1::SAMPLE_TYPE_U8;
    case SampleType::kU16:
      return v1::SAMPLE_TYPE_U16;
    case SampleType::kF32:
      return v1::SAMPLE_TYPE_F32;
  }
  return v1::SAMPLE_TYPE_UNSPECIFIED;
}

v1::FileFormat ToProto(ImageFormat format) {
  switch (format) {
    case ImageFormat::kPng:
      return v1::FILE_FORMAT_PNG;
    case ImageFormat::kJpeg:
      return v1::FILE_FORMAT_JPEG;
    case ImageFormat::kWebp:
      return v1::FILE_FORMAT_WEBP;
    case ImageFormat::kTiff:
      return v1::FILE_FORMAT_TIFF;
    case ImageFormat::kAvif:
      return v1::FILE_FORMAT_AVIF;
    default:
      return v1::FILE_FORMAT_UNSPECIFIED;
  }
}

}  // namespace hiif::server
