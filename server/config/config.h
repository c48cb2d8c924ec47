// The server's settings: read from four places, checked as a whole, printed as the file that gives
// them.
//
// The table of settings is proto/hiif/server/v1/config.proto; nothing here knows one by name except
// the checks in validate.cc.
#ifndef SERVER_CONFIG_CONFIG_H_
#define SERVER_CONFIG_CONFIG_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "hiif/config/v1/config.pb.h"

namespace hiif::server {

using config::v1::ServerConfig;

// Every setting at its default.
ServerConfig DefaultConfig();

// Sets one setting from text, as the command line and the environment give it. A repeated one is
// replaced by the parts between commas. InvalidArgument names the setting and what it takes;
// NotFound: no such setting.
absl::Status SetFromText(absl::string_view name, absl::string_view text, ServerConfig* config);

// Sets what a JSON object names; members are those of the proto. InvalidArgument names the member.
absl::Status SetFromJson(absl::string_view json, ServerConfig* config);

// A JSON object with every setting, which SetFromJson() reads back.
std::string ConfigToJson(const ServerConfig& config);

// What can be said without looking at the machine: ranges, names, settings that need one another.
// InvalidArgument names the flag and what to do.
absl::Status ValidateConfig(const ServerConfig& config);

struct CommandLine {
  ServerConfig config;  // defaults, file, environment and flags, in that order; not yet validated
  bool print_config = false;
  // To be printed instead of serving: help or version.
  std::optional<std::string> text;
};

// arguments: without the program's name. environment: as getenv. InvalidArgument: an unknown flag
// or a value it does not take; NotFound: the file of --config.
absl::StatusOr<CommandLine> ParseCommandLine(
    std::vector<std::string> arguments, const std::function<const char*(const char*)>& environment);

absl::Duration ToDuration(const google::protobuf::Duration& duration);

}  // namespace hiif::server

#endif  // SERVER_CONFIG_CONFIG_H_
