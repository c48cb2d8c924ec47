// Settings by reflection: from text, from JSON, to JSON.
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/util/json_util.h"
#include "proto/print_defaults.h"
#include "server/config/config.h"

namespace hiif::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;

// "32MiB", "1.5GiB", "4096", "-1".
bool ParseBytes(absl::string_view text, int64_t* value) {
  int shift = 0;
  if (absl::ConsumeSuffix(&text, "KiB")) {
    shift = 10;
  } else if (absl::ConsumeSuffix(&text, "MiB")) {
    shift = 20;
  } else if (absl::ConsumeSuffix(&text, "GiB")) {
    shift = 30;
  }
  text = absl::StripAsciiWhitespace(text);
  if (shift == 0) return absl::SimpleAtoi(text, value);
  double number;
  if (!absl::SimpleAtod(text, &number) || !(std::abs(number) < 8e9)) return false;
  *value = static_cast<int64_t>(std::llround(number * static_cast<double>(int64_t{1} << shift)));
  return true;
}

absl::Status Refuse(const FieldDescriptor& field, absl::string_view text, absl::string_view takes) {
  return absl::InvalidArgumentError(absl::StrCat(field.name(), ": \"", text, "\" is not ", takes));
}

absl::Status SetDuration(const FieldDescriptor& field, absl::string_view text,
                         ServerConfig* config) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
      duration > absl::Hours(24 * 365))
    return Refuse(field, text, "a duration such as 500ms, 10s, 5m or 1h");
  auto* value = static_cast<google::protobuf::Duration*>(
      config->GetReflection()->MutableMessage(config, &field));
  value->set_seconds(absl::ToInt64Seconds(duration));
  value->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(value->seconds()))));
  return absl::OkStatus();
}

const FieldDescriptor* FindSetting(absl::string_view name) {
  return ServerConfig::descriptor()->FindFieldByName(std::string(name));
}

}  // namespace

absl::Status SetFromText(absl::string_view name, absl::string_view text, ServerConfig* config) {
  const FieldDescriptor* field = FindSetting(name);
  if (field == nullptr) return absl::NotFoundError(absl::StrCat("no setting \"", name, "\""));
  const Reflection& reflection = *config->GetReflection();
  if (field->is_repeated()) {
    reflection.ClearField(config, field);
    for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace()))
      reflection.AddString(config, field, std::string(absl::StripAsciiWhitespace(part)));
    return absl::OkStatus();
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(config, field, std::string(text));
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value;
      if (!absl::SimpleAtob(text, &value)) return Refuse(*field, text, "true or false");
      reflection.SetBool(config, field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t value;
      if (!absl::SimpleAtoi(text, &value)) return Refuse(*field, text, "a whole number");
      reflection.SetInt32(config, field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value;
      if (!ParseBytes(text, &value))
        return Refuse(*field, text, "a whole number (bytes may end in KiB, MiB or GiB)");
      reflection.SetInt64(config, field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SetDuration(*field, text, config);
    default:
      return absl::InternalError(absl::StrCat(name, ": a type without a reader"));
  }
}

absl::Status SetFromJson(absl::string_view json, ServerConfig* config) {
  HIIF_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJson(json, {.comments = true}));
  if (!object.is_object()) return absl::InvalidArgumentError("not a JSON object");
  for (const auto& [name, value] : object.items()) {
    std::string text;
    if (value.is_string()) {
      text = value.get<std::string>();
    } else if (value.is_array()) {
      for (const auto& part : value) {
        if (!part.is_string())
          return absl::InvalidArgumentError(absl::StrCat(name, ": not a list of strings"));
        absl::StrAppend(&text, text.empty() ? "" : ",", part.get<std::string>());
      }
    } else if (value.is_object() || value.is_null()) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": not a value a setting takes"));
    } else {
      text = value.dump();
    }
    const absl::Status status = SetFromText(name, text, config);
    if (absl::IsNotFound(status)) return absl::InvalidArgumentError(status.message());
    HIIF_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

std::string ConfigToJson(const ServerConfig& config) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  PrintDefaults(&options);
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(config, &json, options);
  return status.ok() ? json : std::string(status.message());
}

ServerConfig DefaultConfig() {
  ServerConfig config;
  const auto* descriptor = ServerConfig::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    const std::string& text = field.options().GetExtension(config::v1::setting).default_();
    if (!text.empty() || field.cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      SetFromText(field.name(), text, &config).IgnoreError();  // the tests read every default
  }
  return config;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace hiif::server
