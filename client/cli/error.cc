#include "client/cli/error.h"

#include <cstdio>
#include <string>

#include "base/text.h"
#include "client/cli/exit_code.h"

namespace hiif::cli {

int Fail(absl::string_view command, const absl::Status& status) {
  const std::string name(command);
  std::fprintf(stderr, "hiif %s: %s\n", name.c_str(),
               Visible(status.message(), /*keep_lines=*/true).c_str());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      std::fprintf(stderr, "hiif %s --help shows what is possible\n", name.c_str());
      return kExitUsage;
    case absl::StatusCode::kUnavailable:
      return kExitUnreachable;
    default:
      return kExitSomeFailed;
  }
}

}  // namespace hiif::cli
