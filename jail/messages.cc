#include "jail/messages.h"

#include <cmath>

#include "base/status_macros.h"
#include "base/text.h"

namespace hiif {
namespace {

constexpr size_t kMaxMessageBytes = 1024;
constexpr int kMaxWarnings = 100;

template <typename Repeated>
void WriteWarnings(const std::vector<std::string>& warnings, Repeated* out) {
  for (const std::string& warning : warnings) *out->Add() = warning;
}

template <typename Repeated>
std::vector<std::string> ReadWarnings(const Repeated& in) {
  std::vector<std::string> warnings;
  for (const std::string& warning : in) {
    if (static_cast<int>(warnings.size()) == kMaxWarnings) break;
    warnings.push_back(Shorten(warning, kMaxMessageBytes));
  }
  return warnings;
}

void Write(const Metadata& metadata, jail::v1::Metadata* out) {
  out->set_icc(metadata.icc);
  out->set_exif(metadata.exif);
  out->set_xmp(metadata.xmp);
  out->set_iptc(metadata.iptc);
  out->set_comment(metadata.comment);
  for (const PngText& text : metadata.png_texts) {
    auto* to = out->add_png_texts();
    to->set_type(text.type);
    to->set_key(text.key);
    to->set_data(text.data);
  }
  out->set_turned(metadata.turned);
  out->set_sideways(metadata.sideways);
  out->set_srgb(metadata.srgb);
  out->set_ppi_x(metadata.ppi_x);
  out->set_ppi_y(metadata.ppi_y);
  WriteWarnings(metadata.warnings, out->mutable_warnings());
}

Metadata Read(const jail::v1::Metadata& in) {
  const auto ppi = [](double value) { return std::isfinite(value) && value > 0 ? value : 0; };
  Metadata metadata;
  metadata.icc = in.icc();
  metadata.exif = in.exif();
  metadata.xmp = in.xmp();
  metadata.iptc = in.iptc();
  metadata.comment = in.comment();
  for (const jail::v1::PngText& text : in.png_texts()) {
    if (text.type() == "tEXt" || text.type() == "zTXt" || text.type() == "iTXt")
      metadata.png_texts.push_back({text.type(), text.key(), text.data()});
  }
  metadata.turned = in.turned();
  metadata.sideways = in.sideways();
  metadata.srgb = in.srgb();
  metadata.ppi_x = ppi(in.ppi_x());
  metadata.ppi_y = ppi(in.ppi_y());
  metadata.warnings = ReadWarnings(in.warnings());
  return metadata;
}

absl::Status Broken() { return absl::InternalError("a decoder process answered nonsense"); }

absl::StatusOr<SampleType> TypeOf(int32_t type) {
  for (const SampleType known : {SampleType::kU8, SampleType::kU16, SampleType::kF32})
    if (static_cast<int32_t>(known) == type) return known;
  return Broken();
}

bool IsOrientation(int value) { return value >= 1 && value <= 8; }
bool AreChannels(int value) { return value >= 1 && value <= 4; }
bool IsSide(int64_t value) { return value >= 1 && value < int64_t{1} << 31; }

}  // namespace

jail::v1::Answer ErrorAnswer(const absl::Status& status) {
  jail::v1::Answer answer;
  answer.set_code(static_cast<int32_t>(status.code()));
  answer.set_message(Shorten(status.message(), kMaxMessageBytes));
  return answer;
}

jail::v1::Answer InfoAnswer(const ImageInfo& info) {
  jail::v1::Answer answer;
  auto* out = answer.mutable_info();
  out->set_format(static_cast<int32_t>(info.format));
  out->set_stored_height(info.stored.height);
  out->set_stored_width(info.stored.width);
  out->set_height(info.size.height);
  out->set_width(info.size.width);
  out->set_channels(info.channels);
  out->set_type(static_cast<int32_t>(info.type));
  out->set_palette(info.palette);
  out->set_cmyk(info.cmyk);
  out->set_linear(info.linear);
  out->set_orientation(info.orientation);
  out->set_frames(info.frames);
  Write(info.metadata, out->mutable_metadata());
  WriteWarnings(info.warnings, out->mutable_warnings());
  return answer;
}

jail::v1::Answer PictureAnswer(const Picture& picture) {
  jail::v1::Answer answer;
  auto* out = answer.mutable_picture();
  out->set_colour_type(static_cast<int32_t>(picture.colour->type));
  out->set_height(picture.colour->height);
  out->set_width(picture.colour->width);
  out->set_colour_bytes(static_cast<int64_t>(picture.colour->samples.size()));
  out->set_alpha_type(static_cast<int32_t>(picture.alpha.type));
  out->set_alpha_bytes(static_cast<int64_t>(picture.alpha.samples.size()));
  out->set_channels(picture.channels);
  out->set_type(static_cast<int32_t>(picture.type));
  out->set_linear(picture.linear);
  out->set_orientation_applied(picture.orientation_applied);
  Write(picture.metadata, out->mutable_metadata());
  WriteWarnings(picture.warnings, out->mutable_warnings());
  return answer;
}

absl::Status StatusOf(const jail::v1::Answer& answer) {
  if (answer.code() == 0) return absl::OkStatus();
  // What imaging says of a file. Any other code would be taken for the server's own: that of a lost
  // device ends it.
  const auto code = static_cast<absl::StatusCode>(answer.code());
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kCancelled:
      return absl::Status(code, Shorten(answer.message(), kMaxMessageBytes));
    default:
      return absl::InternalError(Shorten(answer.message(), kMaxMessageBytes));
  }
}

absl::StatusOr<ImageInfo> InfoOf(const jail::v1::Answer& answer) {
  if (!answer.has_info()) return Broken();
  const jail::v1::Info& in = answer.info();
  ImageInfo info;
  info.format = static_cast<ImageFormat>(in.format());
  if (in.format() < 0 || static_cast<size_t>(in.format()) >= kImageFormats) return Broken();
  info.stored = {in.stored_height(), in.stored_width()};
  info.size = {in.height(), in.width()};
  for (const int64_t side :
       {info.stored.height, info.stored.width, info.size.height, info.size.width})
    if (!IsSide(side)) return Broken();
  info.channels = in.channels();
  HIIF_ASSIGN_OR_RETURN(info.type, TypeOf(in.type()));
  info.palette = in.palette();
  info.cmyk = in.cmyk();
  info.linear = in.linear();
  info.orientation = in.orientation();
  info.frames = in.frames();
  if (!AreChannels(info.channels) || !IsOrientation(info.orientation) || info.frames < 1)
    return Broken();
  info.metadata = Read(in.metadata());
  info.warnings = ReadWarnings(in.warnings());
  return info;
}

absl::StatusOr<Picture> EmptyPictureOf(const jail::v1::Answer& answer, const ImageInfo& info,
                                       RgbImage* colour) {
  if (!answer.has_picture()) return Broken();
  const jail::v1::Picture& in = answer.picture();
  Picture picture;
  HIIF_ASSIGN_OR_RETURN(colour->type, TypeOf(in.colour_type()));
  HIIF_ASSIGN_OR_RETURN(picture.alpha.type, TypeOf(in.alpha_type()));
  HIIF_ASSIGN_OR_RETURN(picture.type, TypeOf(in.type()));
  colour->height = in.height();
  colour->width = in.width();
  picture.channels = in.channels();
  // The caller compares size, channels and type with the header's, and says which differ; here only
  // what memory depends on.
  if (!IsSide(colour->height) || !IsSide(colour->width) || !AreChannels(picture.channels) ||
      colour->height * colour->width > info.size.height * info.size.width ||
      !IsOrientation(in.orientation_applied()))
    return Broken();
  const int64_t pixels = colour->height * colour->width;
  if (in.colour_bytes() != pixels * 3 * SampleBytes(colour->type)) return Broken();
  if (in.alpha_bytes() != 0 && in.alpha_bytes() != pixels * SampleBytes(picture.alpha.type))
    return Broken();
  colour->samples.resize(in.colour_bytes());
  picture.alpha.samples.resize(in.alpha_bytes());
  picture.linear = in.linear();
  picture.orientation_applied = in.orientation_applied();
  picture.metadata = Read(in.metadata());
  picture.warnings = ReadWarnings(in.warnings());
  return picture;
}

}  // namespace hiif
