#include "server/fronts/upscale_options.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/crop_flag.h"
#include "base/hex.h"
#include "base/status_macros.h"
#include "imaging/format.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

using google::protobuf::FieldDescriptor;

struct Format {
  const char* name;
  const char* type;
  v1::FileFormat format;
  ImageFormat image;
};
constexpr Format kFormats[] = {
    {"png", "image/png", v1::FILE_FORMAT_PNG, ImageFormat::kPng},
    {"jpeg", "image/jpeg", v1::FILE_FORMAT_JPEG, ImageFormat::kJpeg},
    {"webp", "image/webp", v1::FILE_FORMAT_WEBP, ImageFormat::kWebp},
    {"tiff", "image/tiff", v1::FILE_FORMAT_TIFF, ImageFormat::kTiff},
    {"avif", "image/avif", v1::FILE_FORMAT_AVIF, ImageFormat::kAvif},
};
constexpr char kTilesName[] = "tiles";
constexpr char kTilesMedia[] = "application/vnd.google.protobuf";
constexpr char kTilesType[] =
    "application/vnd.google.protobuf; proto=hiif.v1.UpscaleResponse; encoding=delimited";

// Fields that are not a plain member of UpscaleParameters.
constexpr const char* kOwnFields[] = {"scale",  "scale_x", "scale_y", "width",  "height",
                                      "format", "quality", "region",  "timeout"};

// A member that a text can set.
const FieldDescriptor* PlainMember(const std::string& name) {
  const auto* member = v1::UpscaleParameters::descriptor()->FindFieldByName(name);
  return member == nullptr || member->is_repeated() ||
                 member->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
             ? nullptr
             : member;
}

std::string KnownFields() {
  std::vector<std::string> names(std::begin(kOwnFields), std::end(kOwnFields));
  const auto* descriptor = v1::UpscaleParameters::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i)
    if (PlainMember(descriptor->field(i)->name()) != nullptr)
      names.push_back(descriptor->field(i)->name());
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<double> Number(absl::string_view name, absl::string_view text) {
  double value;
  if (absl::SimpleAtod(text, &value)) return value;
  return InvalidField(name, absl::StrCat("\"", text, "\" is not a number such as 2.7"));
}

absl::StatusOr<int32_t> Whole(absl::string_view name, absl::string_view text) {
  int32_t value;
  if (absl::SimpleAtoi(text, &value)) return value;
  return InvalidField(name,
                      absl::StrCat("\"", text, "\" is not a whole number of up to ", INT32_MAX));
}

// SAMPLE_TYPE_U8 by "u8".
const google::protobuf::EnumValueDescriptor* EnumValue(const FieldDescriptor& member,
                                                       absl::string_view text) {
  const std::string end = absl::StrCat("_", absl::AsciiStrToUpper(text));
  const auto* type = member.enum_type();
  for (int i = 0; i < type->value_count(); ++i)
    if (type->value(i)->number() != 0 && absl::EndsWith(type->value(i)->name(), end))
      return type->value(i);
  return nullptr;
}

// "u8, u16, f32": without what they begin with all.
std::string EnumNames(const FieldDescriptor& member) {
  const auto* type = member.enum_type();
  const std::string none = type->FindValueByNumber(0)->name();
  const size_t common = none.rfind('_') + 1;
  std::vector<std::string> names;
  for (int i = 0; i < type->value_count(); ++i)
    if (type->value(i)->number() != 0)
      names.push_back(absl::AsciiStrToLower(type->value(i)->name().substr(common)));
  return absl::StrJoin(names, ", ");
}

absl::Status SetMember(const FieldDescriptor& member, const std::string& text,
                       v1::UpscaleParameters* parameters) {
  const auto* reflection = parameters->GetReflection();
  const std::string& name = member.name();
  switch (member.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value;
      if (!absl::SimpleAtob(text, &value))
        return InvalidField(name, absl::StrCat("\"", text, "\" is not true or false"));
      reflection->SetBool(parameters, &member, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      HIIF_ASSIGN_OR_RETURN(const int32_t value, Whole(name, text));
      reflection->SetInt32(parameters, &member, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value;
      if (!absl::SimpleAtoi(text, &value))
        return InvalidField(name, absl::StrCat("\"", text, "\" is not a whole number"));
      reflection->SetInt64(parameters, &member, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      HIIF_ASSIGN_OR_RETURN(const double value, Number(name, text));
      reflection->SetDouble(parameters, &member, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = EnumValue(member, text);
      if (value == nullptr)
        return InvalidField(name, absl::StrCat("\"", text, "\" is none of ", EnumNames(member)));
      reflection->SetEnum(parameters, &member, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string value = text;
      if (member.type() == FieldDescriptor::TYPE_BYTES) {
        std::optional<std::string> bytes = BytesOfHex(text);
        if (!bytes) return InvalidField(name, "pairs of hexadecimal digits are allowed");
        value = *std::move(bytes);
      }
      reflection->SetString(parameters, &member, std::move(value));
      return absl::OkStatus();
    }
    default:
      return InvalidField(name, "cannot be set over HTTP");
  }
}

absl::Status SetSize(const std::map<std::string, std::string>& own,
                     v1::UpscaleParameters* parameters) {
  const bool scale = own.contains("scale");
  const bool axes = own.contains("scale_x") || own.contains("scale_y");
  const bool target = own.contains("width") || own.contains("height");
  if (scale + axes + target != 1)
    return InvalidField("scale",
                        "either scale, or scale_x and scale_y, or width and height are needed");
  if (axes && !(own.contains("scale_x") && own.contains("scale_y")))
    return InvalidField("scale", "scale_x and scale_y need one another");
  if (scale) {
    HIIF_ASSIGN_OR_RETURN(const double factor, Number("scale", own.at("scale")));
    parameters->mutable_scale()->set_rx(factor);
    parameters->mutable_scale()->set_ry(factor);
  } else if (axes) {
    HIIF_ASSIGN_OR_RETURN(const double rx, Number("scale_x", own.at("scale_x")));
    HIIF_ASSIGN_OR_RETURN(const double ry, Number("scale_y", own.at("scale_y")));
    // 0 stands for rx in the API; here both were given.
    if (ry == 0) return InvalidField("scale_y", "0 is out of range");
    parameters->mutable_scale()->set_rx(rx);
    parameters->mutable_scale()->set_ry(ry);
  } else {
    for (const auto& [name, set] : {std::pair{"width", &v1::TargetSize::set_width},
                                    std::pair{"height", &v1::TargetSize::set_height}}) {
      if (!own.contains(name)) continue;
      HIIF_ASSIGN_OR_RETURN(const int32_t value, Whole(name, own.at(name)));
      (parameters->mutable_target()->*set)(value);
    }
  }
  return absl::OkStatus();
}

// nullptr: tiles.
absl::StatusOr<const Format*> FormatByName(const std::string& name) {
  std::string lower = absl::AsciiStrToLower(name);
  if (lower == "jpg") lower = "jpeg";
  if (lower == kTilesName) return nullptr;
  for (const Format& format : kFormats)
    if (format.name == lower) return &format;
  return InvalidField("format",
                      absl::StrCat("\"", name, "\" is none of png, jpeg, webp, tiff, avif, tiles"));
}

absl::Status SetRegion(const std::string& text, v1::UpscaleParameters* parameters) {
  const auto region = ParseCrop(text);
  if (!region.ok()) return InvalidField("region", "x,y,width,height in output pixels is allowed");
  parameters->mutable_region()->set_x(region->x);
  parameters->mutable_region()->set_y(region->y);
  parameters->mutable_region()->set_width(region->width);
  parameters->mutable_region()->set_height(region->height);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UpscaleOptions> ParseUpscaleOptions(const UpscaleFields& fields) {
  UpscaleOptions options;
  std::map<std::string, std::string> own;
  std::set<std::string> seen;
  for (const auto& [name, value] : fields) {
    if (!seen.insert(name).second) return InvalidField(name, "is there twice");
    if (std::find(std::begin(kOwnFields), std::end(kOwnFields), name) != std::end(kOwnFields)) {
      own[name] = value;
    } else if (const FieldDescriptor* member = PlainMember(name)) {
      HIIF_RETURN_IF_ERROR(SetMember(*member, value, &options.parameters));
    } else {
      return InvalidField(name.empty() ? "url" : name,
                          absl::StrCat("no such parameter; there are ", KnownFields()));
    }
  }
  HIIF_RETURN_IF_ERROR(SetSize(own, &options.parameters));
  if (own.contains("region")) HIIF_RETURN_IF_ERROR(SetRegion(own["region"], &options.parameters));
  if (own.contains("timeout")) {
    HIIF_ASSIGN_OR_RETURN(const double seconds, Number("timeout", own["timeout"]));
    if (!(seconds > 0 && seconds <= 86400))
      return InvalidField("timeout", "more than 0 and up to 86400 seconds are allowed");
    options.timeout = absl::Seconds(seconds);
  }
  HIIF_ASSIGN_OR_RETURN(const Format* const format,
                        FormatByName(own.contains("format") ? own["format"] : kTilesName));
  if (format != nullptr) {
    options.parameters.mutable_encoded()->set_format(format->format);
    if (own.contains("quality")) {
      HIIF_ASSIGN_OR_RETURN(const int32_t quality, Whole("quality", own["quality"]));
      options.parameters.mutable_encoded()->set_quality(quality);
    }
  } else if (own.contains("quality")) {
    return InvalidField("quality", "raw tiles have none");
  }
  return options;
}

const char* FormatOfMediaType(absl::string_view media_type) {
  for (const Format& format : kFormats)
    if (media_type == format.type) return format.name;
  return media_type == kTilesMedia ? kTilesName : nullptr;
}

const char* MediaTypeOf(v1::FileFormat file_format) {
  for (const Format& format : kFormats)
    if (file_format == format.format) return format.type;
  return kTilesType;
}

std::vector<absl::string_view> WritableMediaTypes() {
  std::vector<absl::string_view> types;
  for (const Format& format : kFormats)
    if (CanWrite(format.image)) types.push_back(format.type);
  types.push_back(kTilesMedia);
  return types;
}

}  // namespace hiif::server
