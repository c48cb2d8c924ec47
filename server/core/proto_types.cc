#include "server/core/proto_types.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

constexpr std::pair<v1::SampleType, SampleType> kTypes[] = {
    {v1::SAMPLE_TYPE_U8, SampleType::kU8},
    {v1::SAMPLE_TYPE_U16, SampleType::kU16},
    {v1::SAMPLE_TYPE_F32, SampleType::kF32},
};

constexpr std::pair<v1::FileFormat, ImageFormat> kFormats[] = {
    {v1::FILE_FORMAT_PNG, ImageFormat::kPng},   {v1::FILE_FORMAT_JPEG, ImageFormat::kJpeg},
    {v1::FILE_FORMAT_WEBP, ImageFormat::kWebp}, {v1::FILE_FORMAT_TIFF, ImageFormat::kTiff},
    {v1::FILE_FORMAT_AVIF, ImageFormat::kAvif},
};

}  // namespace

absl::StatusOr<SampleType> FromProto(absl::string_view field, v1::SampleType type,
                                     SampleType otherwise) {
  if (type == v1::SAMPLE_TYPE_UNSPECIFIED) return otherwise;
  for (const auto& [theirs, ours] : kTypes)
    if (theirs == type) return ours;
  return InvalidField(field, absl::StrCat(type, " is not a value of SampleType"));
}

absl::StatusOr<ImageFormat> FromProto(absl::string_view field, v1::FileFormat format) {
  for (const auto& [theirs, ours] : kFormats)
    if (theirs == format) return ours;
  const auto name = [](std::string* out, const auto& both) {
    absl::StrAppend(out, FormatName(both.second));
  };
  return InvalidField(field,
                      absl::StrCat("a format is needed: ", absl::StrJoin(kFormats, ", ", name)));
}

v1::SampleType ToProto(SampleType type) {
  for (const auto& [theirs, ours] : kTypes)
    if (ours == type) return theirs;
  return v1::SAMPLE_TYPE_UNSPECIFIED;
}

v1::FileFormat ToProto(ImageFormat format) {
  for (const auto& [theirs, ours] : kFormats)
    if (ours == format) return theirs;
  return v1::FILE_FORMAT_UNSPECIFIED;
}

}  // namespace hiif::server
