// An HTTP request as the core sees it.
#ifndef SERVER_FRONTS_HTTP_HTTP_CALL_H_
#define SERVER_FRONTS_HTTP_HTTP_CALL_H_

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "base/steady_now.h"
#include "server/core/call.h"
#include "server/fronts/http/exchange.h"

namespace hiif::server::http {

// Has an id of its own until set_request_id(). Without a responder (before the body is there) it is
// always alive.
class HttpCall : public Call {
 public:
  explicit HttpCall(const Request& request);

  absl::Status Alive() const override {
    if (SteadyNow() >= deadline_) return absl::DeadlineExceededError("the deadline has passed");
    return responder_ == nullptr ? absl::OkStatus() : responder_->Alive();
  }
  void WhenDead(std::function<void()> callback) override {
    if (responder_ != nullptr) responder_->WhenGone(std::move(callback), deadline_);
  }
  absl::Time arrival() const override { return arrival_; }
  absl::Time deadline() const override { return deadline_; }
  const std::string& caller() const override { return caller_; }
  const std::string& request_id() const override { return request_id_; }

  // The header, or empty.
  const std::string& traceparent() const { return traceparent_; }
  void set_caller(std::string caller) { caller_ = std::move(caller); }
  void set_request_id(std::string request_id) { request_id_ = std::move(request_id); }
  void set_responder(Responder* responder) { responder_ = responder; }
  void set_deadline(absl::Time deadline) { deadline_ = deadline; }

 private:
  const absl::Time arrival_;
  absl::Time deadline_ = absl::InfiniteFuture();
  std::string caller_;
  std::string request_id_;
  const std::string traceparent_;
  Responder* responder_ = nullptr;
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_HTTP_CALL_H_
