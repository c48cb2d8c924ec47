#include "server/core/order.h"

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/geometry.h"
#include "server/core/proto_types.h"
#include "server/core/request_id.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

constexpr int kMinTile = 16;
constexpr int kMaxTile = 4096;
constexpr int kMostPriority = 10;

absl::Status CheckFactor(absl::string_view field, double factor) {
  if (factor >= kMinScale && factor <= kMaxScale) return absl::OkStatus();  // false for NaN
  return InvalidField(field, absl::StrFormat("%g is out of range; a factor of %g to %g is allowed",
                                             factor, kMinScale, kMaxScale));
}

absl::StatusOr<ScaleFactors> Parse(const v1::Scale& scale) {
  HIIF_RETURN_IF_ERROR(CheckFactor("parameters.scale.rx", scale.rx()));
  if (scale.ry() != 0) HIIF_RETURN_IF_ERROR(CheckFactor("parameters.scale.ry", scale.ry()));
  return ScaleFactors{scale.rx(), scale.ry()};
}

absl::StatusOr<TargetSize> Parse(const v1::TargetSize& target) {
  if (target.width() < 0)
    return InvalidField("parameters.target.width", "0 (from the height) or more is allowed");
  if (target.height() < 0)
    return InvalidField("parameters.target.height", "0 (from the width) or more is allowed");
  if (target.width() == 0 && target.height() == 0)
    return InvalidField("parameters.target", "a width, a height or both are needed");
  return TargetSize{target.width(), target.height()};
}

absl::StatusOr<Region> Parse(const v1::Region& region) {
  if (region.width() < 1)
    return InvalidField("parameters.region.width", "the region is empty; 1 or more is allowed");
  if (region.height() < 1)
    return InvalidField("parameters.region.height", "the region is empty; 1 or more is allowed");
  if (region.x() < 0) return InvalidField("parameters.region.x", "0 or more is allowed");
  if (region.y() < 0) return InvalidField("parameters.region.y", "0 or more is allowed");
  return Region{region.x(), region.y(), region.width(), region.height()};
}

absl::StatusOr<FileOrder> ParseFile(const v1::UpscaleParameters& parameters) {
  FileOrder file;
  HIIF_ASSIGN_OR_RETURN(file.format,
                        FromProto("parameters.encoded.format", parameters.encoded().format()));
  file.quality = parameters.encoded().quality();
  file.strip_metadata = parameters.strip_metadata();
  if (file.quality < 0 || file.quality > 100)
    return InvalidField("parameters.encoded.quality", "0 (the default) to 100 is allowed");
  if (!parameters.resume_token().empty() || parameters.first_tile() != 0)
    return InvalidField("parameters.resume_token", "an encoded output cannot be resumed");
  return file;
}

}  // namespace

absl::StatusOr<UpscaleOrder> UpscaleOrder::Parse(const v1::UpscaleParameters& parameters) {
  UpscaleOrder order;
  if (parameters.has_scale()) {
    HIIF_ASSIGN_OR_RETURN(order.size, server::Parse(parameters.scale()));
  } else if (parameters.has_target()) {
    HIIF_ASSIGN_OR_RETURN(order.size, server::Parse(parameters.target()));
  } else {
    return InvalidField("parameters.size", "either scale or target is needed");
  }
  if (parameters.has_region()) {
    HIIF_ASSIGN_OR_RETURN(order.region, server::Parse(parameters.region()));
  }
  order.tile_size = parameters.tile_size();
  if (order.tile_size != 0 && (order.tile_size < kMinTile || order.tile_size > kMaxTile))
    return InvalidField("parameters.tile_size",
                        absl::StrFormat("0 or %d to %d is allowed", kMinTile, kMaxTile));
  HIIF_ASSIGN_OR_RETURN(
      const SampleType type,
      FromProto("parameters.sample_type", parameters.sample_type(), SampleType::kU8));
  if (parameters.sample_type() != v1::SAMPLE_TYPE_UNSPECIFIED) order.type = type;
  if (parameters.has_encoded()) {
    HIIF_ASSIGN_OR_RETURN(order.file, ParseFile(parameters));
  }
  order.priority = parameters.priority();
  if (order.priority < -kMostPriority || order.priority > kMostPriority)
    return InvalidField("parameters.priority", "-10 to 10 is allowed");
  order.first_tile = parameters.first_tile();
  if (order.first_tile < 0) return InvalidField("parameters.first_tile", "0 or more is allowed");
  order.resume_token = parameters.resume_token();
  if (order.first_tile > 0 && order.resume_token.empty())
    return InvalidField("parameters.resume_token",
                        "first_tile needs the token of the stream that is resumed");
  HIIF_RETURN_IF_ERROR(RequestId("parameters.request_id", parameters.request_id()).status());
  order.model = parameters.model();
  order.model_version = parameters.model_version();
  order.convert_to_srgb = parameters.convert_to_srgb();
  order.use.self_ensemble = parameters.self_ensemble();
  if (parameters.has_strength()) order.use.strength = parameters.strength();
  if (!(order.use.strength >= 0 && order.use.strength <= 1))  // false for NaN
    return InvalidField("parameters.strength", "0 (faithful) to 1 (sharp, the default) is allowed");
  order.clip = parameters.clip();
  order.validate_only = parameters.validate_only();
  order.frame = parameters.frame();
  return order;
}

}  // namespace hiif::server
