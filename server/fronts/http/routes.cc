#include "server/fronts/http/routes.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "google/protobuf/util/json_util.h"
#include "server/errors/errors.h"
#include "server/errors/guarded.h"
#include "server/fronts/http/assets.h"
#include "server/fronts/http/http_call.h"
#include "server/fronts/http/problem.h"
#include "server/fronts/http/upscale_exchange.h"
#include "server/models/model_messages.h"

namespace hiif::server::http {
namespace {

constexpr char kModelsPath[] = "/v1/models";
constexpr char kUpscalePath[] = "/v1/upscale";

// What a header alone can say; the page's own policy (in its head) allows its script and style by
// their digests, and nothing from elsewhere.
constexpr char kContentSecurityPolicy[] = "frame-ancestors 'none'";

Answer Json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  Answer answer;
  answer.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  if (!google::protobuf::util::MessageToJsonString(message, &answer.body, options).ok())
    return Problem(absl::InternalError("the answer has no JSON form"), "");
  answer.body += "\n";
  return answer;
}

Answer StaticAnswer(const Asset& asset) {
  return {200,
          {{"Content-Type", asset.content_type},
           {"Content-Security-Policy", kContentSecurityPolicy},
           {"X-Content-Type-Options", "nosniff"},
           {"Referrer-Policy", "no-referrer"},
           {"Cache-Control", "no-cache"}},
          std::string(asset.bytes)};
}

// 405, or 204 of OPTIONS: what is allowed here. how: a hint behind it.
Answer Allow(const Request& request, const char* methods, const char* how = "") {
  if (request.method == "OPTIONS") return {204, {{"Allow", methods}}, ""};
  Answer answer = Problem(
      absl::UnimplementedError(absl::StrCat(request.path, " takes ", methods, how)), "", 405);
  answer.headers.emplace_back("Allow", methods);
  return answer;
}

bool Reads(const Request& request) { return request.method == "GET" || request.method == "HEAD"; }

}  // namespace

Answer Routes::OnBadRequest(int http_status, absl::string_view what) {
  return Problem(absl::InvalidArgumentError(what), "", http_status);
}

Answer Routes::Models(const Request& request) const {
  HttpCall call(request);
  std::string caller;
  absl::string_view name = request.path;
  absl::ConsumePrefix(&name, kModelsPath);
  const bool one = absl::ConsumePrefix(&name, "/") && !name.empty();
  Answer answer;
  const auto run = [&]() -> absl::Status {
    HIIF_RETURN_IF_ERROR(environment_.calls->Authorize(
        {request.Header("authorization"), request.peer, request.certificate}, "", &caller));
    if (one) {
      if (!request.query.empty())
        return InvalidField(request.query.front().first, "a model is asked for by its name alone");
      HIIF_ASSIGN_OR_RETURN(const ModelStatus status,
                            environment_.registry->Get(std::string(name)));
      answer = Json(ToProto(status));
      return absl::OkStatus();
    }
    v1::ListModelsRequest list;
    for (const auto& [key, value] : request.query) {
      int32_t size;
      if (key == "page_token") {
        list.set_page_token(value);
      } else if (key == "page_size" && absl::SimpleAtoi(value, &size)) {
        list.set_page_size(size);
      } else {
        return InvalidField(key, "page_size (a whole number) and page_token are allowed");
      }
    }
    HIIF_ASSIGN_OR_RETURN(const v1::ListModelsResponse page,
                          ListPage(*environment_.registry, list));
    answer = Json(page);
    return absl::OkStatus();
  };
  const absl::Status status = Guarded(run);
  call.set_caller(std::move(caller));
  environment_.calls->Finish({"http", one ? "GetModel" : "ListModels"}, call, call.traceparent(),
                             {}, status);
  return status.ok() ? answer : Problem(status, call.request_id());
}

std::variant<Answer, std::unique_ptr<Exchange>> Routes::OnHead(const Request& request) {
  if (request.path == kUpscalePath) {
    if (request.method != "POST")
      return Allow(request, "POST, OPTIONS",
                   ": the file is its body (curl --data-binary @FILE, or -X POST -T FILE)");
    auto exchange = std::make_unique<UpscaleExchange>(environment_, request);
    if (const absl::Status admitted = exchange->Admit(); !admitted.ok())
      return exchange->Refuse(admitted, 0);
    return std::unique_ptr<Exchange>(std::move(exchange));
  }
  if (request.path == "*") return Allow(request, "GET, HEAD, POST, OPTIONS");
  const Asset* const asset = FindAsset(request.path);
  const bool models =
      request.path == kModelsPath || absl::StartsWith(request.path, absl::StrCat(kModelsPath, "/"));
  if (asset == nullptr && !models)
    return Problem(absl::NotFoundError(
                       "no such path; there are /, /openapi.json, /v1/models, POST /v1/upscale"),
                   "");
  if (!Reads(request)) return Allow(request, "GET, HEAD, OPTIONS");
  return models ? Models(request) : StaticAnswer(*asset);
}

}  // namespace hiif::server::http
