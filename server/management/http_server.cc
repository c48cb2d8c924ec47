#include "server/management/http_server.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "server/config/listen.h"
#include "server/logging/log.h"

namespace hiif::server {
namespace {

constexpr int kSecondsPerRequest = 10;
constexpr int kMaxRequestBytes = 16384;
// Descriptors that this port leaves to others, and how often it looks.
constexpr int kSpareDescriptors = 4;
constexpr timeval kLookEvery = {0, 200'000};

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

template <typename T, void (*Free)(T*)>
struct Freed {
  void operator()(T* value) const { Free(value); }
};

void Send(evhttp_request* request, const HttpAnswer& answer) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", answer.content_type.c_str());
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "Connection", "close");
  evbuffer* body = evhttp_request_get_output_buffer(request);
  evbuffer_add(body, answer.body.data(), answer.body.size());
  evhttp_send_reply(request, answer.code, Reason(answer.code), nullptr);
}

bool DescriptorsAreShort() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  // The lowest free descriptor is given.
  const int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
  if (fd >= 0) close(fd);
  return fd < 0 || static_cast<rlim_t>(fd) + kSpareDescriptors >= limit.rlim_cur;
}

}  // namespace

struct HttpServer::Loop {
  std::unique_ptr<event_base, Freed<event_base, event_base_free>> base;
  std::unique_ptr<evhttp, Freed<evhttp, evhttp_free>> http;
  std::unique_ptr<event, Freed<event, event_free>> look;
  std::vector<evconnlistener*> listeners;  // of http
  std::thread thread;
};

HttpServer::HttpServer() : loop_(std::make_unique<Loop>()) {}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const Address& address, std::map<std::string, Handler> handlers) {
  HIIF_ASSIGN_OR_RETURN(const std::vector<ListeningSocket> sockets, Listen(address));
  evthread_use_pthreads();
  event_set_log_callback([](int severity, const char* message) {
    if (severity >= EVENT_LOG_WARN) LogWarning("management port", {{"error", message}});
  });
  auto server = std::unique_ptr<HttpServer>(new HttpServer);
  server->handlers_ = std::move(handlers);
  Loop& loop = *server->loop_;
  loop.base.reset(event_base_new());
  loop.http.reset(evhttp_new(loop.base.get()));
  evhttp_set_timeout(loop.http.get(), kSecondsPerRequest);
  evhttp_set_max_headers_size(loop.http.get(), kMaxRequestBytes);
  evhttp_set_max_body_size(loop.http.get(), kMaxRequestBytes);
  evhttp_set_allowed_methods(loop.http.get(), EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                                  EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE);
  evhttp_set_gencb(
      loop.http.get(),
      [](evhttp_request* request, void* self) {
        const auto& known = static_cast<const HttpServer*>(self)->handlers_;
        const evhttp_cmd_type method = evhttp_request_get_command(request);
        if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD)
          return Send(request, {405, "text/plain; charset=utf-8", "GET only\n"});
        const char* path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
        const auto handler = known.find(path == nullptr ? "" : path);
        if (handler == known.end())
          return Send(request, {404, "text/plain; charset=utf-8", "/metrics, /livez, /readyz\n"});
        const char* accept =
            evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
        Send(request, handler->second(accept == nullptr ? "" : accept));
      },
      server.get());
  for (const ListeningSocket& socket : sockets) {
    evhttp_bound_socket* bound = evhttp_accept_socket_with_handle(loop.http.get(), socket.fd);
    loop.listeners.push_back(evhttp_bound_socket_get_listener(bound));
  }
  server->port_ = sockets[0].address.port;
  loop.look.reset(event_new(
      loop.base.get(), -1, EV_PERSIST,
      [](evutil_socket_t, short, void* self) {
        const bool stop = DescriptorsAreShort();
        for (evconnlistener* listener : static_cast<Loop*>(self)->listeners)
          stop ? evconnlistener_disable(listener) : evconnlistener_enable(listener);
      },
      &loop));
  event_add(loop.look.get(), &kLookEvery);
  loop.thread = std::thread([base = loop.base.get()] { event_base_dispatch(base); });
  return server;
}

HttpServer::~HttpServer() {
  if (!loop_->thread.joinable()) return;
  event_base_loopbreak(loop_->base.get());
  loop_->thread.join();
}

}  // namespace hiif::server
