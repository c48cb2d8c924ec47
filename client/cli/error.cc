#include "client/cli/error.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/stray_lines.h"
#include "base/text.h"
#include "client/cli/exit_code.h"
#include "client/cli/json_line.h"

namespace hiif::cli {

int Fail(absl::string_view command, const absl::Status& status, const LogFlags& log) {
  const std::string name(command);
  const bool json = log.format == "json";
  const std::string line =
      json ? JsonLine({{"event", "error"},
                       {"command", name},
                       {"code", absl::StatusCodeToString(status.code())},
                       {"error", std::string(status.message())}})
           : absl::StrCat("hiif ", name, ": ", Visible(status.message(), /*keep_lines=*/true));
  std::fprintf(Console(), "%s\n", line.c_str());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      if (!json) std::fprintf(Console(), "hiif %s --help shows what is possible\n", name.c_str());
      return kExitUsage;
    case absl::StatusCode::kUnavailable:
      return kExitUnreachable;
    default:
      return kExitSomeFailed;
  }
}

absl::Status WithoutName(const std::string& name, const absl::Status& status) {
  const std::string message(status.message());
  const std::string inside = absl::StrCat(" ", name, ": ");
  const size_t at = message.find(inside);
  if (name.empty() || at == std::string::npos) return status;
  return absl::Status(
      status.code(), absl::StrCat(message.substr(0, at), ": ", message.substr(at + inside.size())));
}

absl::Status WithName(const std::string& name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(name, ": ", WithoutName(name, status).message()));
}

void PrintWarning(const std::string& name, absl::string_view warning) {
  std::fprintf(Console(), "warning %s\n", Visible(absl::StrCat(name, ": ", warning)).c_str());
}

}  // namespace hiif::cli
