#include "server/fronts/grpc/grpc_log.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/steady_now.h"
#include "grpc/support/log.h"
#include "grpcpp/version_info.h"
#include "server/logging/line_budget.h"
#include "server/logging/log.h"

#if __has_include(<google/protobuf/stubs/logging.h>)  // until protobuf 22
#include "google/protobuf/stubs/logging.h"
#endif

namespace hiif::server {

namespace {

// source: of the line, e.g. "grpc"; file and number: where in it.
void Take(absl::string_view source, bool error, absl::string_view file, int number,
          absl::string_view message) {
  static LineBudget budget;
  int64_t left_out = 0;
  if (!budget.Take(SteadyNow(), &left_out)) return;
  if (const size_t slash = file.rfind('/'); slash != absl::string_view::npos)
    file.remove_prefix(slash + 1);
  LogFields fields = {{source, absl::StrCat(file, ":", number)}};
  if (left_out > 0) fields.emplace_back("left_out", left_out);
  Log(error ? LogLevel::kWarning : LogLevel::kDebug, message, fields);
}

#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 65
void TakeGrpc() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    Take("grpc", line->severity == GPR_LOG_SEVERITY_ERROR, line->file, line->line, line->message);
  });
}
#else
void TakeGrpc() {}
#endif

#if __has_include(<google/protobuf/stubs/logging.h>)
void TakeProtobuf() {
  namespace pb = google::protobuf;
  pb::SetLogHandler(
      [](pb::LogLevel level, const char* file, int number, const std::string& message) {
        Take("protobuf", level >= pb::LOGLEVEL_ERROR, file, number, message);
      });
}
#else
void TakeProtobuf() {}
#endif

}  // namespace

void TakeGrpcLog() {
  TakeGrpc();
  TakeProtobuf();
}

}  // namespace hiif::server
