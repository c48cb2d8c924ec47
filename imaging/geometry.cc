#include "imaging/geometry.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace hiif {
namespace {

absl::Status CheckInput(Grid input) {
  if (input.width >= 1 && input.height >= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("an image of %d x %d pixels has no output", input.width, input.height));
}

absl::Status CheckFactor(absl::string_view name, double scale) {
  if (scale >= kMinScale && scale <= kMaxScale) return absl::OkStatus();  // false for NaN
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: %g is out of range; a factor of %g to %g is allowed", name, scale,
                      kMinScale, kMaxScale));
}

// round(length * numerator / denominator), half up, in integers.
int64_t Proportional(int64_t length, int64_t numerator, int64_t denominator) {
  const __int128 twice = static_cast<__int128>(2) * length * numerator + denominator;
  return static_cast<int64_t>(twice / (static_cast<__int128>(2) * denominator));
}

absl::StatusOr<Grid> Checked(Grid input, Grid output) {
  const auto check = [](absl::string_view name, int64_t in, int64_t out) -> absl::Status {
    const int64_t most = ScaledLength(in, kMaxScale);
    if (out >= in && out <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %d is out of range; %d (the input's) to %d (%g times it) is allowed",
                        name, out, in, most, kMaxScale));
  };
  HIIF_RETURN_IF_ERROR(check("width", input.width, output.width));
  HIIF_RETURN_IF_ERROR(check("height", input.height, output.height));
  return output;
}

// Sizes so large that they cannot be meant, before anything is multiplied.
bool Absurd(int64_t length) { return length < 0 || length > (int64_t{1} << 40); }

}  // namespace

int64_t ScaledLength(int64_t length, double scale) {
  // std::round rounds half away from zero, which is up for what is positive, and unlike
  // floor(x + 0.5) it does not round twice.
  return static_cast<int64_t>(std::round(static_cast<double>(length) * scale));
}

absl::StatusOr<Grid> GridFromScale(Grid input, double rx, double ry) {
  HIIF_RETURN_IF_ERROR(CheckInput(input));
  HIIF_RETURN_IF_ERROR(CheckFactor("rx", rx));
  if (ry == 0) ry = rx;
  HIIF_RETURN_IF_ERROR(CheckFactor("ry", ry));
  return Grid{ScaledLength(input.height, ry), ScaledLength(input.width, rx)};
}

absl::StatusOr<Grid> GridFromTarget(Grid input, int64_t width, int64_t height) {
  HIIF_RETURN_IF_ERROR(CheckInput(input));
  if (Absurd(width)) return absl::InvalidArgumentError(absl::StrCat("width: ", width));
  if (Absurd(height)) return absl::InvalidArgumentError(absl::StrCat("height: ", height));
  if (width == 0 && height == 0)
    return absl::InvalidArgumentError("width, height: one of the two must be greater than 0");
  if (width == 0) width = Proportional(input.width, height, input.height);
  if (height == 0) height = Proportional(input.height, width, input.width);
  return Checked(input, {height, width});
}

absl::StatusOr<Grid> GridInside(Grid input, int64_t width, int64_t height) {
  HIIF_RETURN_IF_ERROR(CheckInput(input));
  if (width < 1 || Absurd(width) || height < 1 || Absurd(height))
    return absl::InvalidArgumentError(
        absl::StrFormat("width, height: %d x %d is not a size", width, height));
  // The side that meets its limit first.
  const bool by_width =
      static_cast<__int128>(width) * input.height <= static_cast<__int128>(height) * input.width;
  return by_width ? GridFromTarget(input, width, 0) : GridFromTarget(input, 0, height);
}

absl::StatusOr<Grid> GridFromLongSide(Grid input, int64_t length) {
  if (length < 1) return absl::InvalidArgumentError(absl::StrCat("long side: ", length));
  return input.width >= input.height ? GridFromTarget(input, length, 0)
                                     : GridFromTarget(input, 0, length);
}

absl::StatusOr<Grid> GridFromMegapixels(Grid input, double megapixels) {
  HIIF_RETURN_IF_ERROR(CheckInput(input));
  if (!(megapixels > 0) || !std::isfinite(megapixels))
    return absl::InvalidArgumentError(
        absl::StrFormat("megapixels: %g; a number greater than 0 is allowed", megapixels));
  const double pixels = static_cast<double>(input.width) * static_cast<double>(input.height);
  double scale = std::sqrt(megapixels * 1e6 / pixels);
  // The bounds as the message below rounds them are within.
  for (const double bound : {kMinScale, kMaxScale})
    if (std::fabs(scale / bound - 1) < 1e-5) scale = bound;
  if (!(scale >= kMinScale && scale <= kMaxScale))
    return absl::InvalidArgumentError(
        absl::StrFormat("megapixels: %g is out of range; %.6g (the input's) to %.6g is allowed",
                        megapixels, pixels / 1e6, pixels * kMaxScale * kMaxScale / 1e6));
  return GridFromScale(input, scale, scale);
}

}  // namespace hiif
