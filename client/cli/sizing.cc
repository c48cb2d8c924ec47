#include "client/cli/sizing.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/crop_flag.h"
#include "base/status_macros.h"
#include "imaging/geometry.h"

namespace hiif::cli {
namespace {

constexpr double kDefaultScale = 4;

absl::Status CheckFactor(absl::string_view flag, std::optional<double> factor) {
  if (!factor || (*factor >= kMinScale && *factor <= kMaxScale)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: %g is out of range; a factor of %g to %g is allowed", flag, *factor,
                      kMinScale, kMaxScale));
}

}  // namespace

absl::StatusOr<Sizing> Sizing::Create(const SizeFlags& flags) {
  HIIF_RETURN_IF_ERROR(CheckFactor("--scale", flags.scale));
  HIIF_RETURN_IF_ERROR(CheckFactor("--scale-x", flags.scale_x));
  HIIF_RETURN_IF_ERROR(CheckFactor("--scale-y", flags.scale_y));
  const int ways = (flags.scale ? 1 : 0) + (flags.scale_x || flags.scale_y ? 1 : 0) +
                   (flags.width || flags.height ? 1 : 0) + (flags.megapixels ? 1 : 0) +
                   (flags.long_side ? 1 : 0);
  if (ways > 1)
    return absl::InvalidArgumentError(
        "the size is said more than once: give one of --scale, --scale-x with --scale-y, --width "
        "with --height, --megapixels, --long-side");
  if (flags.scale_x.has_value() != flags.scale_y.has_value())
    return absl::InvalidArgumentError("--scale-x and --scale-y belong together; --scale sets both");
  if (flags.width.value_or(1) < 1 || flags.height.value_or(1) < 1 ||
      flags.long_side.value_or(1) < 1 || !(flags.megapixels.value_or(1) > 0) ||
      !std::isfinite(flags.megapixels.value_or(1)))
    return absl::InvalidArgumentError(
        "--width, --height, --long-side and --megapixels take numbers greater than 0");
  if (flags.stretch && !(flags.width && flags.height))
    return absl::InvalidArgumentError("--stretch needs both --width and --height");
  Sizing sizing;
  sizing.flags_ = flags;
  if (ways == 0) sizing.flags_.scale = kDefaultScale;
  if (!flags.crop.empty()) {
    HIIF_ASSIGN_OR_RETURN(sizing.crop_, ParseCrop(flags.crop));
  }
  return sizing;
}

absl::StatusOr<Grid> Sizing::Size(Grid input) const {
  const SizeFlags& f = flags_;
  if (f.scale) return GridFromScale(input, *f.scale, *f.scale);
  if (f.scale_x) return GridFromScale(input, *f.scale_x, *f.scale_y);
  if (f.megapixels) return GridFromMegapixels(input, *f.megapixels);
  if (f.long_side) return GridFromLongSide(input, *f.long_side);
  if (f.width && f.height && !f.stretch) return GridInside(input, *f.width, *f.height);
  return GridFromTarget(input, f.width.value_or(0), f.height.value_or(0));
}

absl::StatusOr<OutputPlan> Sizing::Plan(Grid input) const {
  HIIF_ASSIGN_OR_RETURN(OutputPlan plan, AnyPlan(input));
  if (plan.whole.width > kLargestSide || plan.whole.height > kLargestSide)
    return absl::InvalidArgumentError(
        absl::StrFormat("%d x %d pixels would be the whole; a side has %d at most",
                        plan.whole.width, plan.whole.height, kLargestSide));
  return plan;
}

absl::StatusOr<OutputPlan> Sizing::AnyPlan(Grid input) const {
  if (!crop_) {
    HIIF_ASSIGN_OR_RETURN(const Grid size, Size(input));
    return OutputPlan{size, {0, 0, size.width, size.height}, input};
  }
  const Region& crop = *crop_;
  if (crop.x + crop.width > input.width || crop.y + crop.height > input.height)
    return absl::InvalidArgumentError(
        absl::StrFormat("--crop: %s reaches beyond the input's %d x %d pixels", flags_.crop,
                        input.width, input.height));
  // The crop is enlarged as if it were the input, and so much is the whole.
  HIIF_ASSIGN_OR_RETURN(const Grid size, Size({crop.height, crop.width}));
  const double sx = static_cast<double>(size.width) / static_cast<double>(crop.width);
  const double sy = static_cast<double>(size.height) / static_cast<double>(crop.height);
  OutputPlan plan;
  plan.whole = {std::max(ScaledLength(input.height, sy), size.height),
                std::max(ScaledLength(input.width, sx), size.width)};
  plan.region = {std::min(ScaledLength(crop.x, sx), plan.whole.width - size.width),
                 std::min(ScaledLength(crop.y, sy), plan.whole.height - size.height), size.width,
                 size.height};
  plan.part = {crop.height, crop.width};
  return plan;
}

std::string Sizing::Label() const {
  const SizeFlags& f = flags_;
  if (f.scale) return absl::StrCat("x", *f.scale);
  if (f.scale_x)
    return f.scale_x == f.scale_y ? absl::StrCat("x", *f.scale_x)
                                  : absl::StrCat("x", *f.scale_x, "x", *f.scale_y);
  if (f.megapixels) return absl::StrCat(*f.megapixels, "mp");
  if (f.long_side) return absl::StrCat(*f.long_side, "px");
  if (!f.width) return absl::StrCat(*f.height, "h");
  if (!f.height) return absl::StrCat(*f.width, "w");
  return absl::StrCat(*f.width, "x", *f.height);
}

}  // namespace hiif::cli
