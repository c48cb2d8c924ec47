#include "server/core/image_input.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "server/core/proto_types.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

constexpr int64_t kMetadataCopies = 4;
// What a core decodes in a second of a file that was made to be slow, about.
constexpr double kLeastPixelsPerSecond = 20e6;
constexpr double kLeastPixelsOfSlowFormats = 1e6;  // JPEG XL, AVIF, HEIC
// A decoder process that could not be started is tried again within it.
constexpr absl::Duration kTryAgain = absl::Seconds(2);

absl::StatusOr<ImageFacts> RawFacts(const v1::RawImage& raw, int64_t max_pixels) {
  if (raw.width() < 1) return InvalidField("image.raw.width", "1 or more is allowed");
  if (raw.height() < 1) return InvalidField("image.raw.height", "1 or more is allowed");
  if (raw.channels() < 1 || raw.channels() > 4)
    return InvalidField("image.raw.channels",
                        "1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha) is allowed");
  ImageFacts facts;
  HIIF_ASSIGN_OR_RETURN(facts.type,
                        FromProto("image.raw.sample_type", raw.sample_type(), SampleType::kU8));
  facts.channels = raw.channels();
  facts.size = {raw.height(), raw.width()};
  const int64_t pixels = facts.size.height * facts.size.width;
  if (pixels > max_pixels)
    return InvalidField("image.raw",
                        absl::StrFormat("%d x %d are %d pixels, the limit is %d", raw.width(),
                                        raw.height(), pixels, max_pixels));
  const int64_t bytes = pixels * facts.channels * SampleBytes(facts.type);
  if (bytes != static_cast<int64_t>(raw.samples().size()))
    return InvalidField(
        "image.raw.samples",
        absl::StrFormat("%d bytes for %d x %d pixels of %d channels, there are %d", bytes,
                        raw.width(), raw.height(), raw.channels(), raw.samples().size()));
  return facts;
}

// What came of reading a file, as an error of its field.
absl::Status FileError(absl::string_view field, const absl::Status& status) {
  if (absl::IsUnavailable(status))
    return ErrorWithReason(absl::StatusCode::kUnavailable, kReasonNoDecoder, status.message(),
                           kTryAgain);
  return AtField(field, status);
}

}  // namespace

absl::StatusOr<ImageInput> ImageInput::FromSource(const v1::ImageSource& source,
                                                  const InputOptions& options) {
  switch (source.source_case()) {
    case v1::ImageSource::kEncoded:
      return FromFile(source.encoded(), "image.encoded", options);
    case v1::ImageSource::kRaw: {
      ImageInput input;
      HIIF_ASSIGN_OR_RETURN(input.facts_, RawFacts(source.raw(), options.max_pixels));
      input.options_ = options;
      input.options_.frame = 0;
      input.field_ = "image.raw.samples";
      input.bytes_ = source.raw().samples();
      // The network's RGB, an alpha plane beside it.
      input.decode_bytes_ = input.pixels() * 4 * SampleBytes(input.facts_.type);
      return input;
    }
    default:
      return InvalidField("image", "encoded or raw is needed");
  }
}

absl::StatusOr<ImageInput> ImageInput::FromFile(absl::string_view bytes, absl::string_view field,
                                                const InputOptions& options) {
  const ImageLimits limits{.max_pixels = options.max_pixels};
  HIIF_ASSIGN_OR_RETURN(const std::shared_ptr<const PictureFile> file, options.opener->Open(bytes));
  auto info = file->Probe(limits, std::nullopt, options.cancelled);
  if (!info.ok()) return FileError(field, info.status());
  if (options.frame < 0 || options.frame > info->frames)
    return InvalidField("parameters.frame",
                        absl::StrFormat("0 to %d is allowed for this file", info->frames));
  if (info->frames > 1) {
    if (options.frame == 0)
      return InvalidField(field,
                          absl::StrFormat("an animation or document of %d frames or pages; name "
                                          "one by parameters.frame",
                                          info->frames));
    info = file->Probe(limits, options.frame - 1, options.cancelled);
    if (!info.ok()) return FileError(field, info.status());
  }
  ImageInput input;
  input.facts_ = {info->size, info->channels, info->type};
  input.orientation_ = info->orientation;
  input.warnings_ = info->warnings;
  // A few bytes of a file can hold megabytes of metadata, which are kept to the end: those of the
  // picture and of the output, and the profile by itself, here and in the answer.
  input.decode_bytes_ = DecodeBytes(*info) + kMetadataCopies * Bytes(info->metadata);
  input.icc_ = std::move(info->metadata.icc);
  info->metadata = {};  // decoding reads it again
  input.options_ = options;
  if (info->frames == 1) input.options_.frame = 0;
  input.options_.cancelled = nullptr;  // who decodes says for itself
  input.field_ = std::string(field);
  input.bytes_ = bytes;
  input.file_ = file;
  input.info_ = *std::move(info);
  return input;
}

bool ImageInput::slow_to_decode() const {
  if (file_ == nullptr) return false;
  const bool slow = info_.format == ImageFormat::kJxl || info_.format == ImageFormat::kAvif ||
                    info_.format == ImageFormat::kHeic;
  // Those before it may have to be decoded too.
  const auto frames = static_cast<double>(std::max(1, options_.frame));
  return static_cast<double>(pixels()) * frames >
         (slow ? kLeastPixelsOfSlowFormats : kLeastPixelsPerSecond);
}

std::string ImageInput::Digest() const {
  if (file_ != nullptr)
    return options_.frame == 0
               ? Sha256(bytes_)
               : Sha256(absl::StrCat("frame ", options_.frame, ":", Sha256(bytes_)));
  return Sha256(absl::StrCat("raw ", facts_.size.width, "x", facts_.size.height, "x",
                             facts_.channels, ":", static_cast<int>(facts_.type), ":",
                             Sha256(bytes_)));
}

absl::StatusOr<Picture> ImageInput::Decode(bool convert_to_srgb,
                                           std::function<bool()> cancelled) const {
  DecodeOptions decoding{.limits = {.max_pixels = options_.max_pixels},
                         .convert_to_srgb = convert_to_srgb,
                         .clip = options_.clip,
                         .frame = std::nullopt,
                         .cancelled = std::move(cancelled)};
  if (options_.frame > 0) decoding.frame = options_.frame - 1;
  auto picture = file_ == nullptr ? PictureFromSamples(facts_.size, facts_.channels, facts_.type,
                                                       bytes_, options_.clip)
                                  : file_->Decode(info_, decoding);
  if (!picture.ok()) return FileError(field_, picture.status());
  // Admission, tiles and tokens stand on the header; a file that decodes to something else is not
  // served.
  if (!(picture->size() == facts_.size) || picture->channels != facts_.channels ||
      picture->type != facts_.type)
    return absl::InternalError(
        absl::StrFormat("%s: decoded to %d x %d x %d, its header said %d x %d x %d", field_,
                        picture->size().width, picture->size().height, picture->channels,
                        facts_.size.width, facts_.size.height, facts_.channels));
  return picture;
}

}  // namespace hiif::server
