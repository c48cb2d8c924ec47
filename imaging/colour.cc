#include "imaging/colour.h"

#include <lcms2.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/mutex.h"

namespace hiif {
namespace {

cmsHPROFILE OpenProfile(absl::string_view icc) {
  // Little CMS prints nothing and aborts nothing: errors come back as null.
  return icc.empty() ? nullptr
                     : cmsOpenProfileFromMem(icc.data(), static_cast<cmsUInt32Number>(icc.size()));
}

ColourSpace SpaceOf(cmsHPROFILE profile) {
  switch (cmsGetColorSpace(profile)) {
    case cmsSigGrayData:
      return ColourSpace::kGrey;
    case cmsSigRgbData:
      return ColourSpace::kRgb;
    case cmsSigCmykData:
      return ColourSpace::kCmyk;
    case cmsSigLabData:
      return ColourSpace::kLab;
    default:
      return ColourSpace::kUnknown;
  }
}

cmsUInt32Number PixelType(ColourSpace space, bool alpha, SampleType type) {
  const cmsUInt32Number channels =
      space == ColourSpace::kGrey  ? COLORSPACE_SH(PT_GRAY) | CHANNELS_SH(1)
      : space == ColourSpace::kRgb ? COLORSPACE_SH(PT_RGB) | CHANNELS_SH(3)
                                   : COLORSPACE_SH(PT_CMYK) | CHANNELS_SH(4);
  return channels | FLOAT_SH(type == SampleType::kF32) | EXTRA_SH(alpha) |
         BYTES_SH(SampleBytes(type));
}

// Grey with the curve and the white of sRGB.
cmsHPROFILE GreySrgbProfile() {
  const cmsFloat64Number curve[5] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
  cmsToneCurve* tone = cmsBuildParametricToneCurve(nullptr, 4, curve);
  const cmsCIExyY white = {0.3127, 0.3290, 1.0};
  cmsHPROFILE profile = cmsCreateGrayProfile(&white, tone);
  cmsFreeToneCurve(tone);
  return profile;
}

// Grey through a transform of RGB pixels; `channels` counts the alpha that follows each grey.
template <typename T>
void ConvertGrey(void* transform, int channels, const T* in, T* out, int64_t pixels) {
  std::vector<T> rgb(pixels * 3);
  for (int64_t i = 0; i < pixels; ++i) std::fill_n(rgb.begin() + 3 * i, 3, in[i * channels]);
  cmsDoTransform(transform, rgb.data(), rgb.data(), static_cast<cmsUInt32Number>(pixels));
  for (int64_t i = 0; i < pixels; ++i) {
    out[i * channels] = rgb[3 * i + 1];
    if (channels == 2) out[2 * i + 1] = in[2 * i + 1];
  }
}

}  // namespace

ColourSpace ProfileSpace(absl::string_view icc) {
  cmsHPROFILE profile = OpenProfile(icc);
  if (profile == nullptr) return ColourSpace::kUnknown;
  const ColourSpace space = SpaceOf(profile);
  cmsCloseProfile(profile);
  return space;
}

std::string RgbOfGreyProfile(absl::string_view icc) {
  cmsHPROFILE grey = OpenProfile(icc);
  if (grey == nullptr) return {};
  const absl::Cleanup close_grey = [grey] { cmsCloseProfile(grey); };
  auto* curve = static_cast<cmsToneCurve*>(cmsReadTag(grey, cmsSigGrayTRCTag));
  if (SpaceOf(grey) != ColourSpace::kGrey || curve == nullptr) return {};
  // Grey is on the axis between black and white whatever the primaries.
  const cmsCIExyY white = {0.3127, 0.3290, 1.0};
  const cmsCIExyYTRIPLE primaries = {{0.64, 0.33, 1.0}, {0.30, 0.60, 1.0}, {0.15, 0.06, 1.0}};
  cmsToneCurve* const curves[3] = {curve, curve, curve};
  return SavedProfile(cmsCreateRGBProfile(&white, &primaries, curves),
                      "RGB with the curve of a grey profile");
}

bool IsLinearProfile(absl::string_view icc) {
  cmsHPROFILE profile = OpenProfile(icc);
  if (profile == nullptr) return false;
  const absl::Cleanup closer = [profile] { cmsCloseProfile(profile); };
  const auto linear = [profile](cmsTagSignature tag) {
    const auto* curve = static_cast<const cmsToneCurve*>(cmsReadTag(profile, tag));
    return curve != nullptr && cmsIsToneCurveLinear(curve);
  };
  switch (SpaceOf(profile)) {
    case ColourSpace::kGrey:
      return linear(cmsSigGrayTRCTag);
    case ColourSpace::kRgb:
      return linear(cmsSigRedTRCTag) && linear(cmsSigGreenTRCTag) && linear(cmsSigBlueTRCTag);
    default:
      return false;
  }
}

absl::StatusOr<std::shared_ptr<const ToSrgb>> ToSrgb::Get(absl::string_view icc, ColourSpace space,
                                                          bool alpha, SampleType type) {
  struct Kept {
    std::string icc;
    ColourSpace space;
    bool alpha;
    SampleType type;
    std::shared_ptr<const ToSrgb> conversion;
  };
  constexpr size_t kMostKept = 4;
  constexpr size_t kLargestKept = size_t{4} << 20;  // of a profile, in bytes
  static absl::Mutex mutex(absl::kConstInit);
  static auto* const kept = new std::deque<Kept>;  // the last one used first
  {
    absl::MutexLock lock(&mutex);
    for (auto it = kept->begin(); it != kept->end(); ++it) {
      if (it->space != space || it->alpha != alpha || it->type != type || it->icc != icc) continue;
      std::rotate(kept->begin(), it, it + 1);
      return kept->front().conversion;
    }
  }
  auto made = Make(icc, space, alpha, type);
  if (!made.ok() || icc.size() > kLargestKept) return made;
  absl::MutexLock lock(&mutex);
  kept->push_front({std::string(icc), space, alpha, type, *made});
  if (kept->size() > kMostKept) kept->pop_back();
  return made;
}

absl::StatusOr<std::shared_ptr<const ToSrgb>> ToSrgb::Make(absl::string_view icc, ColourSpace space,
                                                           bool alpha, SampleType type) {
  cmsHPROFILE profile = OpenProfile(icc);
  if (profile == nullptr) return absl::InvalidArgumentError("the colour profile is damaged");
  const absl::Cleanup close_profile = [profile] { cmsCloseProfile(profile); };
  const ColourSpace described = SpaceOf(profile);
  auto result = std::shared_ptr<ToSrgb>(new ToSrgb);
  result->type_ = type;
  result->alpha_ = alpha;
  result->grey_by_rgb_ = space == ColourSpace::kGrey && described == ColourSpace::kRgb;
  if (described != space && !result->grey_by_rgb_)
    return absl::InvalidArgumentError("the colour profile is one of other channels");
  const bool pass_alpha = alpha && !result->grey_by_rgb_;
  const ColourSpace target =
      described == ColourSpace::kGrey ? ColourSpace::kGrey : ColourSpace::kRgb;
  cmsHPROFILE srgb = target == ColourSpace::kGrey ? GreySrgbProfile() : cmsCreate_sRGBProfile();
  const absl::Cleanup close_srgb = [srgb] { cmsCloseProfile(srgb); };
  // Without the one-pixel cache a transform may be used by several threads at once.
  result->transform_ = cmsCreateTransform(
      profile, PixelType(described, pass_alpha, type), srgb, PixelType(target, pass_alpha, type),
      INTENT_RELATIVE_COLORIMETRIC,
      cmsFLAGS_NOCACHE | cmsFLAGS_HIGHRESPRECALC | (pass_alpha ? cmsFLAGS_COPY_ALPHA : 0));
  if (result->transform_ == nullptr)
    return absl::InvalidArgumentError("the colour profile cannot be converted to sRGB");
  return result;
}

ToSrgb::~ToSrgb() {
  if (transform_ != nullptr) cmsDeleteTransform(transform_);
}

void ToSrgb::Convert(const void* in, void* out, int64_t pixels) const {
  if (!grey_by_rgb_) {
    cmsDoTransform(transform_, in, out, static_cast<cmsUInt32Number>(pixels));
    return;
  }
  const int channels = alpha_ ? 2 : 1;
  switch (type_) {
    case SampleType::kU8:
      return ConvertGrey(transform_, channels, static_cast<const uint8_t*>(in),
                         static_cast<uint8_t*>(out), pixels);
    case SampleType::kU16:
      return ConvertGrey(transform_, channels, static_cast<const uint16_t*>(in),
                         static_cast<uint16_t*>(out), pixels);
    case SampleType::kF32:
      return ConvertGrey(transform_, channels, static_cast<const float*>(in),
                         static_cast<float*>(out), pixels);
  }
}

std::string SavedProfile(void* profile, const char* name) {
  if (profile == nullptr) return {};
  const absl::Cleanup close = [profile] { cmsCloseProfile(profile); };
  cmsMLU* text = cmsMLUalloc(nullptr, 1);
  cmsMLUsetASCII(text, "en", "US", name);
  cmsWriteTag(profile, cmsSigProfileDescriptionTag, text);
  cmsMLUfree(text);
  cmsUInt32Number size = 0;
  if (!cmsSaveProfileToMem(profile, nullptr, &size)) return {};
  std::string out(size, '\0');
  if (!cmsSaveProfileToMem(profile, out.data(), &size)) return {};
  return out;
}

float EncodeSrgb(float v) {
  return v <= 0.0031308f ? v * 12.92f : 1.055f * std::pow(v, 1 / 2.4f) - 0.055f;
}

float LinearizeSrgb(float v) {
  return v <= 0.04045f ? v / 12.92f : std::pow((v + 0.055f) / 1.055f, 2.4f);
}

}  // namespace hiif
