// Flags, environment and file, put over one another.
#include <algorithm>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "server/config/config.h"
#include "server/config/version.h"

namespace hiif::server {
namespace {

using google::protobuf::FieldDescriptor;

std::string FlagOf(const FieldDescriptor& field) {
  return absl::StrCat("--", absl::StrReplaceAll(field.name(), {{"_", "-"}}));
}

std::string EnvironmentOf(const FieldDescriptor& field) {
  return absl::StrCat("HIIF_", absl::AsciiStrToUpper(field.name()));
}

std::string TypeOf(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "BOOL";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "DURATION";
    case FieldDescriptor::CPPTYPE_STRING:
      return "TEXT";
    default:
      return "NUMBER";
  }
}

absl::Status ApplyFile(const std::string& path, ServerConfig* config) {
  HIIF_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  const absl::Status status = SetFromJson(json, config);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// The environment's value, then the flag's.
absl::Status ApplyOverrides(CLI::App& app,
                            const std::function<const char*(const char*)>& environment,
                            ServerConfig* config) {
  const auto* descriptor = ServerConfig::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    if (const char* value = environment(EnvironmentOf(field).c_str())) {
      const absl::Status status = SetFromText(field.name(), value, config);
      if (!status.ok())
        return absl::Status(status.code(), absl::StrCat(EnvironmentOf(field),
                                                        " (environment): ", status.message()));
    }
    const CLI::Option* option = app.get_option(FlagOf(field));
    if (option->count() == 0) continue;
    // A flag without a value is a boolean's "true".
    const absl::Status status = SetFromText(field.name(), option->results().back(), config);
    if (!status.ok())
      return absl::Status(status.code(), absl::StrCat(FlagOf(field), ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(
    std::vector<std::string> arguments,
    const std::function<const char*(const char*)>& environment) {
  CommandLine result;
  result.config = DefaultConfig();
  CLI::App app(
      "The gRPC service of hiif-serve. Settings come from flags, HIIF_* variables of the "
      "environment and --config FILE, in this order of precedence.",
      "hiif-server");
  std::string file;
  if (const char* value = environment("HIIF_CONFIG")) file = value;
  app.add_option("--config", file, "JSON file of settings (HIIF_CONFIG)")->type_name("FILE");
  app.add_flag("--print-config", result.print_config, "print the settings as a JSON file and stop");
  bool version = false;
  app.add_flag("--version", version, "print the version and stop");
  const auto* descriptor = ServerConfig::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    const auto& setting = field.options().GetExtension(config::v1::setting);
    const std::string help = setting.default_().empty()
                                 ? setting.help()
                                 : absl::StrCat(setting.help(), " [", setting.default_(), "]");
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      app.add_flag(FlagOf(field), help)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else {
      app.add_option(FlagOf(field), help)
          ->type_name(TypeOf(field))
          ->allow_extra_args(false)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes a vector
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    result.text = app.help();
    return result;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(absl::StrCat(error.what(), "; see hiif-server --help"));
  }
  if (version) {
    result.text = absl::StrCat("hiif-server ", kVersion, "\n");
    return result;
  }
  if (!file.empty()) HIIF_RETURN_IF_ERROR(ApplyFile(file, &result.config));
  HIIF_RETURN_IF_ERROR(ApplyOverrides(app, environment, &result.config));
  return result;
}

}  // namespace hiif::server
