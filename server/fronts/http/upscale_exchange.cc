#include "server/fronts/http/upscale_exchange.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "server/core/order.h"
#include "server/core/request_id.h"
#include "server/errors/errors.h"
#include "server/errors/guarded.h"
#include "server/fronts/http/multipart.h"
#include "server/fronts/http/problem.h"
#include "server/fronts/http/upscale_answer.h"
#include "server/security/tokens.h"

namespace hiif::server::http {
namespace {

constexpr char kForm[] = "multipart/form-data";
// What curl says of -d and of --data-binary.
constexpr char kCurlsForm[] = "application/x-www-form-urlencoded";
constexpr size_t kMaxFormField = 4096;

std::string MediaType(absl::string_view content_type) {
  return absl::AsciiStrToLower(
      absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';'))));
}

// A browser that another site's page makes send this: the user did not ask for it. Sec-Fetch-Site
// is said of encrypted and of this machine's pages only; of others the page's origin is compared
// with the host that was asked.
bool FromAnotherSite(const Request& request) {
  const std::string& site = request.Header("sec-fetch-site");
  if (!site.empty()) return site == "cross-site";
  if (!request.headers.contains("origin")) return false;  // no browser
  absl::string_view origin = request.Header("origin");
  absl::string_view host = request.Header("host");
  absl::string_view port;
  if (absl::ConsumePrefix(&origin, "http://")) {
    port = ":80";
  } else if (absl::ConsumePrefix(&origin, "https://")) {
    port = ":443";
  } else {
    return true;  // "null": of a file, or hidden
  }
  return !absl::EqualsIgnoreCase(absl::StripSuffix(origin, port), absl::StripSuffix(host, port));
}

}  // namespace

UpscaleExchange::UpscaleExchange(const RouteEnvironment& environment, const Request& request)
    : environment_(environment), request_(request), call_(request_), fields_(request.query) {}

absl::Status UpscaleExchange::CheckHead() {
  http_status_ = 411;
  if (!request_.headers.contains("content-length") &&
      !request_.headers.contains("transfer-encoding"))
    return InvalidField("body", "the file is the body, with a Content-Length or in chunks");
  http_status_ = 415;
  const std::string type = MediaType(request_.Header("content-type"));
  if (!type.empty() && type != kForm && type != "application/octet-stream" && type != kCurlsForm &&
      !absl::StartsWith(type, "image/"))
    return absl::InvalidArgumentError(absl::StrCat(
        "Content-Type: \"", type.substr(0, 64),
        "\" is not taken; send the file as it is (image/..., application/octet-stream) or as ",
        kForm));
  const std::string& encoding = request_.Header("content-encoding");
  if (!encoding.empty() && !absl::EqualsIgnoreCase(encoding, "identity"))
    return absl::InvalidArgumentError(
        "Content-Encoding: send the file as it is, image files are compressed already");
  http_status_ = 0;
  return absl::OkStatus();
}

// A validate_only is answered in JSON, whatever the format would be.
bool UpscaleExchange::WantsJson() const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [](const auto& field) { return field.first == "validate_only"; }) &&
         Negotiate(request_.Header("accept"), {"application/json"}) == 0;
}

// Where no format is given, what the client accepts decides.
absl::Status UpscaleExchange::ChooseFormat() {
  for (const auto& [name, value] : fields_)
    if (name == "format") return absl::OkStatus();
  const absl::string_view accept = request_.Header("accept");
  const std::vector<absl::string_view> offers = WritableMediaTypes();
  const int chosen = Negotiate(accept, offers);
  if (chosen < 0 && !WantsJson()) {
    http_status_ = 406;
    return absl::InvalidArgumentError(absl::StrCat("Accept: nothing of \"", accept.substr(0, 256),
                                                   "\" can be written; there are ",
                                                   absl::StrJoin(offers, ", ")));
  }
  fields_.emplace_back("format", FormatOfMediaType(offers[std::max(chosen, 0)]));
  return absl::OkStatus();
}

absl::Status UpscaleExchange::TakeRequestId(const std::string& asked) {
  if (asked.empty()) return absl::OkStatus();
  HIIF_ASSIGN_OR_RETURN(std::string id, RequestId("parameters.request_id", asked));
  call_.set_request_id(std::move(id));
  return absl::OkStatus();
}

absl::Status UpscaleExchange::ParseOptions() {
  HIIF_RETURN_IF_ERROR(ChooseFormat());
  HIIF_ASSIGN_OR_RETURN(options_, ParseUpscaleOptions(fields_));
  HIIF_ASSIGN_OR_RETURN(order_, UpscaleOrder::Parse(options_.parameters));
  HIIF_RETURN_IF_ERROR(TakeRequestId(options_.parameters.request_id()));
  call_.set_deadline(call_.arrival() + options_.timeout);
  return absl::OkStatus();
}

absl::Status UpscaleExchange::Admit() {
  std::string caller;
  const absl::Status authorized = environment_.calls->Authorize(
      {request_.Header("authorization"), request_.peer, request_.certificate}, kScopeUpscale,
      &caller);
  call_.set_caller(std::move(caller));
  HIIF_RETURN_IF_ERROR(authorized);
  HIIF_RETURN_IF_ERROR(TakeRequestId(request_.Header("x-request-id")));
  if (FromAnotherSite(request_))
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, kReasonScope,
        "pages of other sites may not use this server; serve both from one host");
  HIIF_RETURN_IF_ERROR(CheckHead());
  if (MediaType(request_.Header("content-type")) == kForm) {
    HIIF_ASSIGN_OR_RETURN(boundary_, BoundaryOf(request_.Header("content-type")));
    return absl::OkStatus();
  }
  return ParseOptions();
}

Answer UpscaleExchange::Refuse(const absl::Status& status, int http_status) {
  if (absl::IsResourceExhausted(status)) environment_.metrics->Rejected(ReasonOf(status));
  Finish({}, status);
  return Problem(status, call_.request_id(), http_status != 0 ? http_status : http_status_);
}

absl::StatusOr<absl::string_view> UpscaleExchange::FileOf(absl::string_view body) {
  if (boundary_.empty()) return body;
  HIIF_ASSIGN_OR_RETURN(const std::vector<Part> parts, ParseMultipart(body, boundary_));
  const Part* file = nullptr;
  for (const Part& part : parts) {
    if (part.file || part.name == "image") {
      if (file != nullptr) return InvalidField("image", "one file a request; send one for each");
      file = &part;
    } else if (part.data.size() > kMaxFormField) {
      return InvalidField(part.name, "too long; is it a file without a file name?");
    } else {
      fields_.emplace_back(part.name, std::string(part.data));
    }
  }
  if (file == nullptr) return InvalidField("image", "the form has no file (curl -F image=@FILE)");
  HIIF_RETURN_IF_ERROR(ParseOptions());
  return file->data;
}

absl::Status UpscaleExchange::Upscale(absl::string_view body, Responder* responder,
                                      CallReport* report) {
  HIIF_ASSIGN_OR_RETURN(const absl::string_view file, FileOf(body));
  HIIF_RETURN_IF_ERROR(call_.Alive());
  UpscaleAnswer answer(options_, responder, environment_.metrics);
  const absl::Status status =
      environment_.upscaling->RunFile(file, "body", order_, &call_, &answer, report);
  if (FieldOf(status) != "body" || MediaType(request_.Header("content-type")) != kCurlsForm)
    return status;
  return AtField("body", absl::InvalidArgumentError(absl::StrCat(
                             absl::StripPrefix(status.message(), "body: "),
                             "; curl's -d changes files: send them by --data-binary @FILE")));
}

void UpscaleExchange::Run(std::string body, Responder* responder) {
  const CallHandler::Slot slot(environment_.calls, call_.caller());
  call_.set_responder(responder);
  CallReport report;
  absl::Status status = slot.status();
  if (status.ok()) status = Guarded([&] { return Upscale(body, responder, &report); });
  // A write that the end of the call broke off says that the client is gone; the call knows why.
  if (absl::IsCancelled(status) && !call_.Alive().ok()) status = call_.Alive();
  Finish(report, status);
  // Once an answer has begun, its missing end says that something went wrong.
  if (!status.ok() && !responder->started())
    responder->Send(Problem(status, call_.request_id(), http_status_)).IgnoreError();
}

void UpscaleExchange::Finish(const CallReport& report, const absl::Status& status) {
  environment_.calls->Finish({"http", "Upscale"}, call_, call_.traceparent(), report, status);
}

}  // namespace hiif::server::http
