// Colour profiles and transfer curves. Internal to imaging; Little CMS behind it.
#ifndef IMAGING_COLOUR_H_
#define IMAGING_COLOUR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"

namespace hiif {

enum class ColourSpace { kUnknown, kGrey, kRgb, kCmyk, kLab };

// What kind of pixels a profile describes; kUnknown: not a usable profile.
ColourSpace ProfileSpace(absl::string_view icc);

// The profile of the same colours as RGB, R = G = B, of a profile of grey; empty: cannot be made.
std::string RgbOfGreyProfile(absl::string_view icc);

// Whether the samples the profile describes are proportional to light.
bool IsLinearProfile(absl::string_view icc);

// Converts rows of pixels to sRGB, relative colorimetric. Immutable; any thread.
class ToSrgb {
 public:
  // space: grey (stays grey, with the curve of sRGB), RGB, or CMYK of u8 or u16 (full ink at the
  // maximum), each with an alpha channel or without. A grey picture with an RGB profile is taken as
  // R = G = B. InvalidArgument where the profile is damaged or describes other pixels. The last few
  // are kept: of CMYK one takes a tenth of a second to make, and pictures of a press have the same.
  static absl::StatusOr<std::shared_ptr<const ToSrgb>> Get(absl::string_view icc, ColourSpace space,
                                                           bool alpha, SampleType type);
  ~ToSrgb();

  // Interleaved pixels, fewer than 2^32; alpha is copied.
  void Convert(const void* in, void* out, int64_t pixels) const;

 private:
  ToSrgb() = default;
  static absl::StatusOr<std::shared_ptr<const ToSrgb>> Make(absl::string_view icc,
                                                            ColourSpace space, bool alpha,
                                                            SampleType type);

  void* transform_ = nullptr;
  SampleType type_ = SampleType::kU8;
  bool alpha_ = false;
  bool grey_by_rgb_ = false;
};

// The bytes of a profile of Little CMS (cmsHPROFILE) under that name, and closes it; empty where it
// is null or cannot be saved.
std::string SavedProfile(void* profile, const char* name);

// The curve of sRGB: v in [0,1] linear light to encoded and back.
float EncodeSrgb(float v);
float LinearizeSrgb(float v);

}  // namespace hiif

#endif  // IMAGING_COLOUR_H_
