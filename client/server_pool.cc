#include "client/server_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/environment.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "base/text.h"
#include "client/address.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace hiif::client {
namespace {

constexpr absl::Duration kAvoidAfterFailure = absl::Seconds(5);

constexpr absl::Duration kLook = absl::Milliseconds(20);

// A channel that has failed says so at once.
constexpr absl::Duration kWhy = absl::Seconds(1);

// A query of the largest size is answered by 12 MiB; everything else keeps below gRPC's 4 MiB.
constexpr int kMaxReceiveBytes = 32 << 20;

// gRPC's servers take a ping without data every five minutes from a client, not more.
constexpr int kKeepaliveMillis = 300'000;

// The proxy gRPC would take; empty: none.
std::string Proxy() {
  for (const char* name : {"grpc_proxy", "https_proxy", "http_proxy"})
    if (const char* value = EnvironmentVariable(name); value != nullptr && *value != '\0')
      return absl::StrCat(name, "=", value);
  return {};
}

grpc::ChannelArguments Arguments(const TlsOptions& tls, bool this_machine) {
  grpc::ChannelArguments arguments;
  arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  // The whole request would have to fit gRPC's retry buffer; retries are made above it.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  // Each client its own connection: not shared with another client of the process.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // No proxy is nearer to this machine than the machine itself.
  if (this_machine) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!tls.server_name.empty()) arguments.SetSslTargetNameOverride(tls.server_name);
  return arguments;
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(const TlsOptions& tls, bool enabled) {
  if (!enabled) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = tls.roots_pem;
  ssl.pem_cert_chain = tls.certificate_pem;
  ssl.pem_private_key = tls.key_pem;
  return grpc::SslCredentials(ssl);
}

// Why the channel does not connect: gRPC tells it with a call that fails; empty: it does not know.
std::string WhyNot(const std::shared_ptr<grpc::Channel>& channel, bool tls) {
  if (channel->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_TRANSIENT_FAILURE) return {};
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kWhy));
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status =
      grpc::health::v1::Health::NewStub(channel)->Check(&context, {}, &response);
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return {};
  std::string why = status.error_message();
  // What answers does not speak HTTP/2 in clear text: it closes, or is an HTTP server.
  if (!tls && (absl::StrContains(why, "Socket closed") || absl::StrContains(why, "http1.x")))
    why += " (a server with TLS needs https:// before its address)";
  return why;
}

}  // namespace

struct ServerPool::Server {
  std::string address;
  bool tls = false;
  bool this_machine = false;
  std::shared_ptr<grpc::Channel> channel;
  int calls = 0;
  absl::Time avoid_until = absl::InfinitePast();
};

ServerPool::~ServerPool() = default;

absl::StatusOr<std::unique_ptr<ServerPool>> ServerPool::Create(const ClientOptions& options) {
  auto pool = std::unique_ptr<ServerPool>(new ServerPool);
  // gRPC ends the process where a header has others.
  if (!IsPrintableAscii(options.token))
    return absl::InvalidArgumentError(
        "the token has characters that no token has, line breaks perhaps: a token file of a client "
        "holds one token and nothing else, it is not the server's list of tokens");
  for (const absl::string_view text : absl::StrSplit(options.servers, ',', absl::SkipEmpty())) {
    HIIF_ASSIGN_OR_RETURN(const ServerAddress address, ParseServerAddress(text));
    const bool tls = options.tls.enabled || address.tls;
    if (!options.token.empty() && !tls && !options.allow_token_over_plaintext &&
        !address.this_machine)
      return absl::InvalidArgumentError(absl::StrCat(
          "the token would travel to ", text, " in clear text: use TLS, or allow it explicitly"));
    auto server = std::make_unique<Server>();
    server->address = address.target;
    server->tls = tls;
    server->this_machine = address.this_machine;
    server->channel = grpc::CreateCustomChannel(server->address, Credentials(options.tls, tls),
                                                Arguments(options.tls, address.this_machine));
    pool->servers_.push_back(std::move(server));
  }
  if (pool->servers_.empty())
    return absl::InvalidArgumentError("no server is named: host:port, or several by commas");
  if (!options.token.empty()) pool->authorization_ = absl::StrCat("Bearer ", options.token);
  return pool;
}

std::unique_ptr<ServerPool::Lease> ServerPool::Acquire() {
  const absl::Time now = SteadyNow();
  absl::MutexLock lock(&mutex_);
  Server* best = nullptr;
  for (size_t i = 0; i < servers_.size(); ++i) {
    Server* server = servers_[(next_ + i) % servers_.size()].get();
    if (best == nullptr) {
      best = server;
      continue;
    }
    const bool avoided = server->avoid_until > now;
    const bool best_avoided = best->avoid_until > now;
    if (avoided != best_avoided ? best_avoided : server->calls < best->calls) best = server;
  }
  ++next_;
  ++best->calls;
  return std::make_unique<Lease>(this, best);
}

absl::Status ServerPool::WaitForConnected(absl::Duration timeout, std::stop_token stop) {
  const absl::Time deadline = SteadyNow() + timeout;
  while (true) {
    for (const auto& server : servers_) {
      const grpc_connectivity_state state = server->channel->GetState(/*try_to_connect=*/true);
      if (state == GRPC_CHANNEL_READY) return absl::OkStatus();
      // Waiting drives the connecting, too: without it gRPC looks every five seconds.
      server->channel->WaitForStateChange(state, absl::ToChronoTime(absl::Now() + kLook));
      if (stop.stop_requested()) return absl::CancelledError("interrupted");
    }
    if (SteadyNow() >= deadline) {
      const bool away = std::any_of(servers_.begin(), servers_.end(),
                                    [](const auto& server) { return !server->this_machine; });
      const std::string proxy = away ? Proxy() : "";
      std::string why;
      for (const auto& server : servers_) {
        if (stop.stop_requested()) return absl::CancelledError("interrupted");
        if (const std::string reason = WhyNot(server->channel, server->tls); !reason.empty())
          absl::StrAppend(&why, "; ", servers_.size() > 1 ? server->address + ": " : "", reason);
      }
      return absl::UnavailableError(absl::StrCat(
          "no server answers at ", Addresses(), " (waited ", absl::FormatDuration(timeout), ")",
          why,
          proxy.empty() ? ""
                        : absl::StrCat("; the proxy of ", proxy,
                                       " was asked, no_proxy names hosts that need none")));
    }
  }
}

std::string ServerPool::Addresses() const {
  return absl::StrJoin(servers_, ", ",
                       [](std::string* out, const auto& s) { out->append(s->address); });
}

ServerPool::Lease::~Lease() {
  absl::MutexLock lock(&pool_->mutex_);
  --server_->calls;
}

const std::shared_ptr<grpc::Channel>& ServerPool::Lease::channel() const {
  return server_->channel;
}

const std::string& ServerPool::Lease::address() const { return server_->address; }

void ServerPool::Lease::Failed() {
  absl::MutexLock lock(&pool_->mutex_);
  server_->avoid_until = SteadyNow() + kAvoidAfterFailure;
}

}  // namespace hiif::client
