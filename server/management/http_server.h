// The management port: a few plain-text answers to GET, over HTTP/1.1.
#ifndef SERVER_MANAGEMENT_HTTP_SERVER_H_
#define SERVER_MANAGEMENT_HTTP_SERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/config/address.h"

struct mg_context;
struct mg_connection;

namespace hiif::server {

struct HttpAnswer {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// civetweb behind it: two threads, no files, no CGI, requests of at most 16 KiB.
class HttpServer {
 public:
  using Handler = std::function<HttpAnswer()>;

  // handlers: by path ("/metrics"), called on the server's threads. FailedPrecondition: the port is
  // taken.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Address& address,
                                                           std::map<std::string, Handler> handlers);
  ~HttpServer();  // waits for answers under way
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const { return port_; }

 private:
  explicit HttpServer(std::map<std::string, Handler> handlers) : handlers_(std::move(handlers)) {}
  static int OnRequest(mg_connection* connection, void* self);

  const std::map<std::string, Handler> handlers_;
  mg_context* context_ = nullptr;
  int port_ = 0;
};

}  // namespace hiif::server

#endif  // SERVER_MANAGEMENT_HTTP_SERVER_H_
