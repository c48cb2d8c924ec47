#include "server/fronts/grpc/status_translator.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "google/rpc/status.pb.h"
#include "server/errors/errors.h"

namespace hiif::server {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.raw_code());
  const std::string message = Shorten(status.message(), kMaxErrorBytes);
  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  details.set_message(message);
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    auto* any = details.add_details();
    any->set_type_url(std::string(type_url));
    any->set_value(std::string(payload));
  });
  if (details.details().empty()) return grpc::Status(code, message);
  return grpc::Status(code, message, details.SerializeAsString());
}

std::optional<std::string> PushbackMilliseconds(const absl::Status& status) {
  const auto delay = RetryDelayOf(status);
  if (!delay) return std::nullopt;
  return absl::StrCat(absl::ToInt64Milliseconds(absl::Ceil(*delay, absl::Milliseconds(1))));
}

grpc::Status Finish(const absl::Status& status, grpc::ServerContextBase* context) {
  if (const auto pushback = PushbackMilliseconds(status))
    context->AddTrailingMetadata("grpc-retry-pushback-ms", *pushback);
  return ToGrpcStatus(status);
}

}  // namespace hiif::server
