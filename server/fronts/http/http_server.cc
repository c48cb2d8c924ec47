#include "server/fronts/http/http_server.h"

#include <netinet/tcp.h>

#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/v6_only.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "server/config/address.h"
#include "server/fronts/http/session.h"
#include "server/fronts/http/transport.h"
#include "server/logging/log.h"

namespace hiif::server::http {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Until files are free again.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

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
  Impl(const HttpServerOptions& options, ByteBudget* bodies, Handler* handler)
      : options_(options),
        limits_{options.handshake, options.idle, options.write},
        handler_(handler),
        bodies_(bodies),
        work_(boost::asio::make_work_guard(io_)),
        reload_(io_) {}

  ~Impl() override {
    boost::asio::post(io_, [this] {
      CloseAddresses();
      while (!sessions_.empty()) {
        const std::shared_ptr<Session> session = *sessions_.begin();
        session->Close();
      }
      reload_.cancel();
    });
    {
      // Requests see that their clients are gone.
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](Impl* self)
               ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) { return self->threads_ == 0; },
          this));
    }
    work_.reset();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Listen() {
    if (!options_.tls_certificate.empty()) {
      HIIF_ASSIGN_OR_RETURN(tls_, LoadTls());
      ScheduleReload();
    }
    for (const std::string& text : options_.listen) HIIF_RETURN_IF_ERROR(ListenOn(text));
    thread_ = std::thread([this] { io_.run(); });
    return absl::OkStatus();
  }

  int port() const { return port_; }
  int active() const { return active_; }

  void BeginShutdown() {
    boost::asio::post(io_, [this] {
      closing_ = true;
      CloseAddresses();
      std::vector<std::shared_ptr<Session>> idle;
      for (const auto& session : sessions_)
        if (session->idle()) idle.push_back(session);
      for (const auto& session : idle) session->Close();
    });
  }

  Handler& handler() override { return *handler_; }
  ByteBudget& bodies() override { return *bodies_; }
  const SessionLimits& limits() const override { return limits_; }
  bool closing() const override { return closing_; }
  void OnBusy(int change) override { active_ += change; }

  void RunThread(std::function<void()> work) override {
    {
      absl::MutexLock lock(&mutex_);
      ++threads_;
    }
    std::thread([this, work = std::move(work)]() mutable {
      work();
      work = nullptr;  // the session it holds is gone before the server may be
      absl::MutexLock lock(&mutex_);
      --threads_;
    }).detach();
  }

  void OnClosed(Session* session) override { sessions_.erase(session->shared_from_this()); }

 private:
  absl::StatusOr<std::shared_ptr<TlsContext>> LoadTls() const {
    return MakeTlsContext({options_.tls_certificate, options_.tls_key, options_.tls_client_ca});
  }

  // New connections get what the files hold by then.
  void ScheduleReload() {
    if (options_.tls_reload <= absl::ZeroDuration()) return;
    reload_.expires_after(absl::ToChronoMilliseconds(options_.tls_reload));
    reload_.async_wait([this](const error_code& error) {
      if (error) return;
      if (auto context = LoadTls(); context.ok()) {
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
    const auto refuse = [&](const error_code& error) {
      return absl::FailedPreconditionError(
          absl::StrCat("--http-listen: cannot listen on ", text, ": ", error.message(),
                       "; is the port taken, or the address not one of this machine?"));
    };
    error_code error;
    tcp::resolver resolver(io_);
    const auto found =
        resolver.resolve(address.host, absl::StrCat(address.port), tcp::resolver::passive, error);
    if (error || found.empty()) return refuse(error);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    auto acceptor = std::make_unique<tcp::acceptor>(io_);
    acceptor->open(endpoint.protocol(), error);
    if (error) return refuse(error);
    acceptor->set_option(tcp::acceptor::reuse_address(true), error);
    // [::] is every address, as gRPC has it.
    if (endpoint.address().is_v6()) acceptor->set_option(boost::asio::ip::v6_only(false), error);
    acceptor->bind(endpoint, error);
    if (error) return refuse(error);
    acceptor->listen(tcp::acceptor::max_listen_connections, error);
    if (error) return refuse(error);
    if (port_ == 0) port_ = acceptor->local_endpoint().port();
    acceptors_.push_back(std::move(acceptor));
    Accept(acceptors_.back().get());
    return absl::OkStatus();
  }

  void CloseAddresses() {
    error_code ignored;
    for (const auto& acceptor : acceptors_) acceptor->close(ignored);
  }

  void Accept(tcp::acceptor* acceptor) {
    acceptor->async_accept([this, acceptor](const error_code& error, tcp::socket socket) {
      if (!acceptor->is_open()) return;
      if (!error) {
        OnAccept(std::move(socket));
        return Accept(acceptor);
      }
      auto pause = std::make_shared<boost::asio::steady_timer>(io_, kAcceptPause);
      pause->async_wait([this, acceptor, pause](const error_code& stopped) {
        if (!stopped && acceptor->is_open()) Accept(acceptor);
      });
    });
  }

  void OnAccept(tcp::socket socket) {
    if (static_cast<int>(sessions_.size()) >= options_.max_connections && !MakeRoom()) return;
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    // Peers that vanish while their request waits.
    socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
    const int seconds = static_cast<int>(absl::ToInt64Seconds(options_.keepalive));
    if (seconds > 0)
      setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
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
  const SessionLimits limits_;
  Handler* const handler_;
  ByteBudget* const bodies_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer reload_;
  std::shared_ptr<TlsContext> tls_;
  std::vector<std::unique_ptr<tcp::acceptor>> acceptors_;
  std::set<std::shared_ptr<Session>> sessions_;  // on the I/O thread
  int port_ = 0;
  std::atomic<bool> closing_ = false;
  std::atomic<int> active_ = 0;
  absl::Mutex mutex_;
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

HttpServerOptions HttpOptionsOf(const ServerConfig& config) {
  HttpServerOptions options;
  options.listen = {config.http_listen().begin(), config.http_listen().end()};
  options.max_connections = config.http_max_connections();
  options.handshake = ToDuration(config.handshake_timeout());
  options.idle = ToDuration(config.connection_idle());
  options.write = ToDuration(config.write_timeout());
  options.keepalive = ToDuration(config.keepalive_time());
  options.tls_certificate = config.tls_certificate();
  options.tls_key = config.tls_key();
  options.tls_client_ca = config.tls_client_ca();
  options.tls_reload = ToDuration(config.tls_reload_interval());
  return options;
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              ByteBudget* bodies,
                                                              Handler* handler) {
  auto impl = std::make_unique<Impl>(options, bodies, handler);
  HIIF_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port(); }
int HttpServer::active() const { return impl_->active(); }
void HttpServer::BeginShutdown() { impl_->BeginShutdown(); }

}  // namespace hiif::server::http
