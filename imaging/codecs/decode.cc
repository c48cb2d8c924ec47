#include "imaging/decode.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/codecs/loader.h"
#include "imaging/colour.h"
#include "imaging/library.h"
#include "imaging/picture_builder.h"

namespace hiif {
namespace {

// The conversion to sRGB, where one is due. Leaves in `icc` the profile of the pixels afterwards.
absl::StatusOr<std::shared_ptr<const ToSrgb>> PlanConversion(const Loader& loader,
                                                             bool convert_to_srgb, std::string* icc,
                                                             std::vector<std::string>* warnings) {
  const ImageInfo& info = loader.info();
  const ColourSpace described = ProfileSpace(*icc);
  const bool fits = described == loader.space() ||
                    (described == ColourSpace::kRgb && loader.space() == ColourSpace::kGrey);
  if (!icc->empty() && !fits) {
    warnings->push_back("the embedded colour profile does not describe this image; it is ignored");
    icc->clear();
  }
  if (!info.cmyk && (!convert_to_srgb || icc->empty())) return nullptr;
  std::string profile = std::exchange(*icc, {});
  if (profile.empty()) {
    warnings->push_back(
        "CMYK without a profile: converted to sRGB by the CMYK profile that comes with libvips");
    profile = BuiltInCmykProfile();
  }
  auto conversion = ToSrgb::Get(profile, loader.space(), info.has_alpha(), info.type);
  if (conversion.ok()) return conversion;
  if (info.cmyk) {
    warnings->push_back(
        absl::StrCat(conversion.status().message(),
                     ": converted to sRGB by the CMYK profile that comes with libvips"));
    return ToSrgb::Get(BuiltInCmykProfile(), loader.space(), info.has_alpha(), info.type);
  }
  warnings->push_back(absl::StrCat(conversion.status().message(), "; the pixels stay as they are"));
  *icc = std::move(profile);
  return nullptr;
}

}  // namespace

absl::StatusOr<Picture> Decode(absl::string_view bytes, const DecodeOptions& options) {
  HIIF_ASSIGN_OR_RETURN(auto loader,
                        Loader::Open(bytes, options.limits, Purpose::kPixels, options.frame));
  const ImageInfo& info = loader->info();
  if (info.frames > 1 && !options.frame.has_value())
    return absl::InvalidArgumentError(absl::StrFormat(
        "the %s has %d frames or pages; name one of them", FormatName(info.format), info.frames));
  Metadata metadata = info.metadata;
  std::vector<std::string> warnings = info.warnings;
  HIIF_ASSIGN_OR_RETURN(const auto conversion,
                        PlanConversion(*loader, options.convert_to_srgb, &metadata.icc, &warnings));
  PictureBuilder builder({.stored = info.stored,
                          .channels = info.channels,
                          .type = info.type,
                          .orientation = info.orientation,
                          // Of the profile that the loader has seen, unless it is used or dropped.
                          .linear = info.linear && !metadata.icc.empty(),
                          // Out of sRGB's gamut is no fault of the file.
                          .clip = options.clip || conversion != nullptr});

  // Strips of about a megabyte: small enough to stay in the cache and to stop soon.
  const int64_t row_bytes = loader->row_bytes();
  const int64_t strip = std::clamp<int64_t>((int64_t{1} << 20) / row_bytes, 1, info.stored.height);
  std::vector<uint8_t> rows(strip * row_bytes);
  std::vector<uint8_t> converted(
      conversion ? strip * info.stored.width * info.channels * SampleBytes(info.type) : 0);
  for (int64_t y = 0; y < info.stored.height; y += strip) {
    if (options.cancelled && options.cancelled()) return absl::CancelledError("decoding stopped");
    const int64_t count = std::min(strip, info.stored.height - y);
    HIIF_RETURN_IF_ERROR(loader->ReadRows(y, count, rows.data()));
    if (!conversion) {
      HIIF_RETURN_IF_ERROR(builder.AddRows(rows.data(), count));
      continue;
    }
    const int64_t pixels = count * info.stored.width;
    if (info.type == SampleType::kF32)
      HIIF_RETURN_IF_ERROR(ToUnitRange(
          options.clip,
          absl::MakeSpan(reinterpret_cast<float*>(rows.data()), pixels * info.channels)));
    conversion->Convert(rows.data(), converted.data(), pixels);
    HIIF_RETURN_IF_ERROR(builder.AddRows(converted.data(), count));
  }
  Picture picture = builder.Finish();
  metadata.srgb = conversion != nullptr;
  picture.metadata = std::move(metadata);
  picture.warnings = std::move(warnings);
  return picture;
}

absl::Status InitImaging(int threads) { return StartLibrary(threads); }

}  // namespace hiif
