#include "server/management/http_server.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "civetweb.h"

namespace hiif::server {
namespace {

const char* Reason(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

int Send(mg_connection* connection, const HttpAnswer& answer, bool with_body) {
  const std::string head = absl::StrCat("HTTP/1.1 ", answer.code, " ", Reason(answer.code),
                                        "\r\nContent-Type: ", answer.content_type,
                                        "\r\nContent-Length: ", answer.body.size(),
                                        "\r\nCache-Control: no-store\r\nX-Content-Type-Options: "
                                        "nosniff\r\nConnection: close\r\n\r\n");
  mg_write(connection, head.data(), head.size());
  if (with_body) mg_write(connection, answer.body.data(), answer.body.size());
  return answer.code;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const Address& address, std::map<std::string, Handler> handlers) {
  auto server = std::unique_ptr<HttpServer>(new HttpServer(std::move(handlers)));
  // civetweb wants numbers.
  Address numeric = address;
  if (numeric.host == "localhost") numeric.host = "127.0.0.1";
  const std::string port =
      numeric.host == "0.0.0.0" ? absl::StrCat(numeric.port) : numeric.ToString();
  const char* options[] = {
      "listening_ports", port.c_str(),       "num_threads", "2",    "request_timeout_ms",
      "10000",           "max_request_size", "16384",       nullptr};
  mg_callbacks callbacks;
  std::memset(&callbacks, 0, sizeof(callbacks));
  callbacks.log_message = [](const mg_connection*, const char*) { return 1; };  // nothing on stderr
  mg_init_library(0);
  server->context_ = mg_start(&callbacks, nullptr, options);
  if (server->context_ == nullptr)
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", address.ToString(),
                     ": is the port taken, or the address not one of this machine?"));
  mg_server_port ports[4];
  if (mg_get_server_ports(server->context_, 4, ports) > 0) server->port_ = ports[0].port;
  mg_set_request_handler(server->context_, "/", &HttpServer::OnRequest, server.get());
  return server;
}

HttpServer::~HttpServer() {
  if (context_ != nullptr) mg_stop(context_);
  mg_exit_library();
}

int HttpServer::OnRequest(mg_connection* connection, void* self) {
  const auto* server = static_cast<HttpServer*>(self);
  const mg_request_info* info = mg_get_request_info(connection);
  const bool head = std::strcmp(info->request_method, "HEAD") == 0;
  if (!head && std::strcmp(info->request_method, "GET") != 0)
    return Send(connection, {405, "text/plain; charset=utf-8", "GET only\n"}, true);
  const auto handler = server->handlers_.find(info->local_uri);
  if (handler == server->handlers_.end())
    return Send(connection, {404, "text/plain; charset=utf-8", "/metrics, /livez, /readyz\n"},
                !head);
  return Send(connection, handler->second(), !head);
}

}  // namespace hiif::server
