// The management port: a few plain-text answers to GET, over HTTP/1.1.
#ifndef SERVER_MANAGEMENT_HTTP_SERVER_H_
#define SERVER_MANAGEMENT_HTTP_SERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/config/address.h"

namespace hiif::server {

struct HttpAnswer {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// libevent behind it: one thread for every connection, so that slow ones hold nobody up; requests
// of at most 16 KiB, ten seconds for each, closed after its answer.
class HttpServer {
 public:
  // accept: the request's Accept header, or empty.
  using Handler = std::function<HttpAnswer(absl::string_view accept)>;

  // handlers: by path ("/metrics"), called on the server's thread: they must not wait.
  // FailedPrecondition: cannot listen.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Address& address,
                                                           std::map<std::string, Handler> handlers);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const { return port_; }

 private:
  struct Loop;
  HttpServer();

  std::map<std::string, Handler> handlers_;
  std::unique_ptr<Loop> loop_;
  int port_ = 0;
};

}  // namespace hiif::server

#endif  // SERVER_MANAGEMENT_HTTP_SERVER_H_
