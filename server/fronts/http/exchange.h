// Between sockets (session.h) and routes (routes.h): one request and its answer.
#ifndef SERVER_FRONTS_HTTP_EXCHANGE_H_
#define SERVER_FRONTS_HTTP_EXCHANGE_H_

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/fronts/http/message.h"

namespace hiif::server::http {

// The client's end of a connection, as the thread of a request sees it. Either Send(), or Start(),
// Write()s and Finish(); what is not finished is cut off, and the client sees that.
class Responder {
 public:
  virtual ~Responder() = default;

  // Each blocks until the client has room. Cancelled: it is gone; DeadlineExceeded with the reason
  // SLOW_READER: it took nothing for too long.
  virtual absl::Status Send(const Answer& answer) = 0;
  // headers: without those of length and encoding. trailers: names of the fields Finish() adds.
  virtual absl::Status Start(int status, const Fields& headers, absl::string_view trailers) = 0;
  virtual absl::Status Write(absl::string_view data) = 0;
  virtual absl::Status Finish(const Fields& trailers) = 0;
  virtual bool started() const = 0;

  // OK while the client waits; else what the functions above would say. Does not block.
  virtual absl::Status Alive() const = 0;
  // Called on another thread when Alive() changes, or at the time `wake`; nullptr takes the
  // callback back, and returns when it does not run any more.
  virtual void WhenGone(std::function<void()> callback, absl::Time wake) = 0;
};

// A request whose head was accepted.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Bytes of body that are taken.
  virtual int64_t max_body() const = 0;
  // The body will not come: it is too large, too slow, there is no memory for it, the client is
  // gone. What to answer; http_status as for Problem(). On the I/O thread; nothing else is called
  // afterwards.
  virtual Answer Refuse(const absl::Status& status, int http_status) = 0;
  // On a thread of its own, once the body is there.
  virtual void Run(std::string body, Responder* responder) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Once a request's head is there, on the I/O thread: must not block. An answer is sent at once.
  virtual std::variant<Answer, std::unique_ptr<Exchange>> OnHead(const Request& request) = 0;
  // A request that cannot be understood at all, or whose head takes too long.
  virtual Answer OnBadRequest(int http_status, absl::string_view what) = 0;
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_EXCHANGE_H_
