#include "server/rpc/self_probe.h"

#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/steady_now.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace hiif::server {
namespace {

constexpr absl::Duration kEvery = absl::Seconds(1);
constexpr absl::Duration kTimeout = absl::Seconds(3);

Address Own(Address address) {
  if (address.host == "0.0.0.0") address.host = "127.0.0.1";
  if (address.host == "::") address.host = "::1";
  return address;
}

}  // namespace

bool AnswersHealthCheck(const Address& address, absl::Duration timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  const auto stub = grpc::health::v1::Health::NewStub(
      grpc::CreateCustomChannel(address.ToString(), grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = stub->Check(&context, {}, &response);
  return status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND;
}

bool AnswersTlsHandshake(const Address& address, absl::Duration timeout) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  SSL_CTX_free);
  if (context == nullptr) return false;
  // Whose certificate it is does not matter here: it is our own.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kAlpn, sizeof(kAlpn));
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_ssl_connect(context.get()),
                                                          BIO_free_all);
  if (bio == nullptr) return false;
  BIO_set_conn_hostname(bio.get(), address.ToString().c_str());
  BIO_set_nbio(bio.get(), 1);
  const absl::Time end = SteadyNow() + timeout;
  while (SteadyNow() < end) {
    if (BIO_do_handshake(bio.get()) == 1) return true;
    if (!BIO_should_retry(bio.get())) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return false;
}

SelfProbe::SelfProbe(Address address, bool tls)
    : address_(Own(std::move(address))), tls_(tls), thread_([this] { Watch(); }) {}

SelfProbe::~SelfProbe() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void SelfProbe::Watch() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stop_), kEvery)) return;
    }
    const bool answered = tls_ && !address_.unix_socket ? AnswersTlsHandshake(address_, kTimeout)
                                                        : AnswersHealthCheck(address_, kTimeout);
    failures_ = answered ? 0 : failures_ + 1;
  }
}

}  // namespace hiif::server
