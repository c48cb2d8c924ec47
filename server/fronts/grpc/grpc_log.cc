#include "server/fronts/grpc/grpc_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/steady_now.h"
#include "grpc/support/log.h"
#include "grpcpp/version_info.h"
#include "server/logging/log.h"

namespace hiif::server {

bool LineBudget::Take(absl::Time now, int64_t* left_out) {
  const int64_t second = absl::ToUnixSeconds(now);
  *left_out = 0;
  if (second_.exchange(second) != second) {
    *left_out = std::max<int64_t>(0, lines_.exchange(1) - kPerSecond);
    return true;
  }
  return ++lines_ <= kPerSecond;
}

#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 65
namespace {

void OnLine(gpr_log_func_args* line) {
  static LineBudget budget;
  int64_t left_out = 0;
  if (!budget.Take(SteadyNow(), &left_out)) return;
  absl::string_view file = line->file;
  if (const size_t slash = file.rfind('/'); slash != absl::string_view::npos)
    file.remove_prefix(slash + 1);
  LogFields fields = {{"grpc", absl::StrCat(file, ":", line->line)}};
  if (left_out > 0) fields.emplace_back("left_out", left_out);
  const bool error = line->severity == GPR_LOG_SEVERITY_ERROR;
  Log(error ? LogLevel::kWarning : LogLevel::kDebug, line->message, fields);
}

}  // namespace

void TakeGrpcLog() { gpr_set_log_function(&OnLine); }
#else
void TakeGrpcLog() {}
#endif

}  // namespace hiif::server
