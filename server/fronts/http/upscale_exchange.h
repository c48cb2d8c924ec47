// POST /v1/upscale.
#ifndef SERVER_FRONTS_HTTP_UPSCALE_EXCHANGE_H_
#define SERVER_FRONTS_HTTP_UPSCALE_EXCHANGE_H_

#include <string>

#include "server/core/order.h"
#include "server/fronts/http/exchange.h"
#include "server/fronts/http/http_call.h"
#include "server/fronts/http/routes.h"
#include "server/fronts/upscale_options.h"

namespace hiif::server::http {

class UpscaleExchange : public Exchange {
 public:
  UpscaleExchange(const RouteEnvironment& environment, const Request& request);

  // What can be said before the body: token, types, parameters of the URL.
  absl::Status Admit();

  int64_t max_body() const override { return environment_.max_upload_bytes; }
  Answer Refuse(const absl::Status& status, int http_status) override;
  void Run(std::string body, Responder* responder) override;

 private:
  // The file in the body, which it borrows; the fields of a form join those of the URL.
  absl::StatusOr<absl::string_view> FileOf(absl::string_view body);
  absl::Status TakeRequestId(const std::string& asked);
  // 411 and 415.
  absl::Status CheckHead();
  bool WantsJson() const;
  absl::Status ChooseFormat();
  absl::Status ParseOptions();
  absl::Status Upscale(absl::string_view body, Responder* responder, CallReport* report);
  void Finish(const CallReport& report, const absl::Status& status);

  const RouteEnvironment& environment_;
  const Request request_;
  HttpCall call_;
  UpscaleOptions options_;
  UpscaleOrder order_;
  Fields fields_;
  std::string boundary_;  // of a form, or empty
  int http_status_ = 0;   // for Problem(), where HTTP has a better word for what is wrong
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_UPSCALE_EXCHANGE_H_
