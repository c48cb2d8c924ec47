#include "server/fronts/http/http_server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "server/config/listen.h"
#include "server/fronts/call_threads.h"
#include "server/fronts/http/session.h"
#include "server/fronts/http/transport.h"
#include "server/logging/log.h"

namespace hiif::server::http {
namespace {

constexpr int kMostUnsent = 128 << 10;  // bytes of a connection that the system takes ahead

using boost::asio::ip::tcp;
using boost::system::error_code;

tcp FamilyOf(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  return name.ss_family == AF_INET6 ? tcp::v6() : tcp::v4();
}

std::string AddressOf(const tcp::socket& socket) {
  error_code error;
  const auto address = socket.remote_endpoint(error).address();
  if (error) return "";
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
        .to_string();
  return address.to_string();
}

}  // namespace

class HttpServer::Impl : public SessionHost {
 public:
  Impl(const HttpServerOptions& options, ByteBudget* bodies, Handler* handler,
       Acceptor::OnRefused on_refused)
      : options_(options),
        handler_(handler),
        bodies_(bodies),
        on_refused_(std::move(on_refused)),
        threads_(std::make_unique<CallThreads>(options.max_calls)),
        work_(boost::asio::make_work_guard(io_)),
        reload_(io_) {}

  ~Impl() override {
    CloseDoors(doors_);
    if (!thread_.joinable()) return;
    absl::Notification closed;
    boost::asio::post(io_, [&] {
      closing_ = true;
      while (!sessions_.empty()) {
        const std::shared_ptr<Session> session = *sessions_.begin();
        session->Close();
      }
      reload_.cancel();
      closed.Notify();
    });
    closed.WaitForNotification();
    threads_.reset();  // requests see that their clients are gone
    work_.reset();
    thread_.join();
  }

  absl::Status Listen() {
    if (!options_.tls.certificate.empty()) {
      HIIF_ASSIGN_OR_RETURN(tls_, MakeTlsContext(options_.tls));
      ScheduleReload();
    }
    for (const std::string& text : options_.listen) HIIF_RETURN_IF_ERROR(ListenOn(text));
    thread_ = std::thread([this] { io_.run(); });
    return absl::OkStatus();
  }

  int port() const { return port_; }
  std::vector<Acceptor::Door> TakeDoors() { return std::exchange(doors_, {}); }
  int active() const { return active_; }

  void BeginShutdown() {
    boost::asio::post(io_, [this] {
      closing_ = true;
      std::vector<std::shared_ptr<Session>> idle;
      for (const auto& session : sessions_)
        if (session->idle()) idle.push_back(session);
      for (const auto& session : idle) session->Close();
    });
  }

  Handler& handler() override { return *handler_; }
  ByteBudget& bodies() override { return *bodies_; }
  const SessionLimits& limits() const override { return options_.limits; }
  bool closing() const override { return closing_; }
  void OnBusy(int change) override { active_ += change; }

  bool RunThread(std::function<void()> work) override { return threads_->Run(std::move(work)); }

  void OnClosed(Session* session) override { sessions_.erase(session->shared_from_this()); }

 private:
  // New connections get what the files hold by then.
  void ScheduleReload() {
    reload_.expires_after(absl::ToChronoMilliseconds(options_.tls.reload_interval));
    reload_.async_wait([this](const error_code& error) {
      if (error) return;
      if (auto context = MakeTlsContext(options_.tls); context.ok()) {
        tls_ = *std::move(context);
      } else {
        LogWarning("the TLS files were not taken, the old ones stay",
                   {{"error", context.status().message()}});
      }
      ScheduleReload();
    });
  }

  absl::Status ListenOn(const std::string& text) {
    HIIF_ASSIGN_OR_RETURN(const Address address, ParseAddress(text));
    absl::StatusOr<std::vector<ListeningSocket>> sockets = server::Listen(address);
    if (!sockets.ok())
      return absl::Status(sockets.status().code(),
                          absl::StrCat("--http-listen: ", sockets.status().message()));
    for (const ListeningSocket& socket : *sockets) {
      if (port_ == 0) port_ = socket.address.port;
      doors_.push_back(
          {socket, [this](int fd) { boost::asio::post(io_, [this, fd] { Adopt(fd); }); }});
    }
    return absl::OkStatus();
  }

  // Takes a connection over.
  void Adopt(int fd) {
    tcp::socket socket(io_);
    error_code error;
    socket.assign(FamilyOf(fd), fd, error);
    if (error) {
      close(fd);
      return;
    }
    if (closing_) return;
    if (static_cast<int>(sessions_.size()) >= options_.max_connections && !MakeRoom()) {
      on_refused_(kRefusedConnections);
      return;
    }
    // Peers that vanish while their request waits.
    if (options_.keepalive > absl::ZeroDuration()) {
      socket.set_option(boost::asio::socket_base::keep_alive(true), error);
      const int seconds =
          static_cast<int>(absl::ToInt64Seconds(absl::Ceil(options_.keepalive, absl::Seconds(1))));
      setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
    }
    // Else one that reads slowly is heard of only when a third of megabytes in the kernel is gone.
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMostUnsent, sizeof(kMostUnsent));
    std::string peer = AddressOf(socket);
    auto session = std::make_shared<Session>(&io_, MakeTransport(std::move(socket), tls_),
                                             std::move(peer), this);
    sessions_.insert(session);
    session->Start();
  }

  // Closes the connection that has waited longest for a request; false: all have one.
  bool MakeRoom() {
    std::shared_ptr<Session> oldest;
    for (const auto& session : sessions_)
      if (session->idle() && (oldest == nullptr || session->idle_since() < oldest->idle_since()))
        oldest = session;
    if (oldest == nullptr) return false;
    oldest->Close();
    return true;
  }

  const HttpServerOptions options_;
  Handler* const handler_;
  ByteBudget* const bodies_;
  const Acceptor::OnRefused on_refused_;
  std::unique_ptr<CallThreads> threads_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer reload_;
  std::shared_ptr<TlsContext> tls_;
  std::vector<Acceptor::Door> doors_;            // that nobody has taken
  std::set<std::shared_ptr<Session>> sessions_;  // on the I/O thread
  int port_ = 0;
  std::atomic<bool> closing_ = false;
  std::atomic<int> active_ = 0;
  std::thread thread_;
};

HttpServerOptions HttpOptionsOf(const ServerConfig& config) {
  HttpServerOptions options;
  options.listen = {config.http_listen().begin(), config.http_listen().end()};
  options.max_connections = config.http_max_connections();
  options.max_calls = config.max_rpcs();
  const auto limit = [](const google::protobuf::Duration& setting) {
    const absl::Duration duration = ToDuration(setting);
    return duration > absl::ZeroDuration() ? duration : absl::InfiniteDuration();
  };
  options.limits = {limit(config.handshake_timeout()), limit(config.connection_idle()),
                    limit(config.connection_age()), limit(config.read_timeout()),
                    limit(config.write_timeout())};
  options.keepalive = ToDuration(config.keepalive_time());
  options.tls = TlsFilesOf(config);
  return options;
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              ByteBudget* bodies, Handler* handler,
                                                              Acceptor::OnRefused on_refused) {
  auto impl = std::make_unique<Impl>(options, bodies, handler, std::move(on_refused));
  HIIF_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port(); }
std::vector<Acceptor::Door> HttpServer::TakeDoors() { return impl_->TakeDoors(); }
int HttpServer::active() const { return impl_->active(); }
void HttpServer::BeginShutdown() { impl_->BeginShutdown(); }

}  // namespace hiif::server::http
