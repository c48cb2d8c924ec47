#include "server/fronts/grpc/self_probe.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/steady_now.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/create_channel_posix.h"
#include "grpcpp/impl/client_unary_call.h"
#include "grpcpp/impl/rpc_method.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"

namespace hiif::server {
namespace {

constexpr absl::Duration kEvery = absl::Seconds(1);
constexpr absl::Duration kTimeout = absl::Seconds(3);

Address Own(Address address) {
  if (address.host == "0.0.0.0") address.host = "127.0.0.1";
  if (address.host == "::") address.host = "::1";
  return address;
}

grpc::Status Check(const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout) {
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  grpc::health::v1::HealthCheckResponse response;
  return stub->Check(&context, {}, &response);
}

bool IsAnswer(const grpc::Status& status) {
  return status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND;
}

// Of a call: whatever the server itself says, also that there are too many.
bool IsAnyAnswer(const grpc::Status& status) {
  return status.error_code() != grpc::StatusCode::UNAVAILABLE &&
         status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED;
}

}  // namespace

grpc::Status CallWithoutMessage(const std::shared_ptr<grpc::Channel>& channel,
                                absl::Duration timeout) {
  static constexpr char kMethod[] = "/hiif.v1.SuperResolutionService/GetModel";
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  const grpc::Slice broken("\xff", 1);
  grpc::ByteBuffer answer;
  return grpc::internal::BlockingUnaryCall(
      channel.get(), grpc::internal::RpcMethod(kMethod, grpc::internal::RpcMethod::NORMAL_RPC),
      &context, grpc::ByteBuffer(&broken, 1), &answer);
}

bool AnswersHealthCheck(const Address& address, absl::Duration timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return IsAnswer(Check(
      grpc::CreateCustomChannel(address.ToString(), grpc::InsecureChannelCredentials(), arguments),
      timeout));
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

SelfProbe::SelfProbe(std::function<void(int fd)> give, Address address, bool tls)
    : give_(std::move(give)),
      address_(Own(std::move(address))),
      tls_(tls),
      thread_([this] { Watch(); }) {}

SelfProbe::~SelfProbe() {
  stop_.Raise();
  thread_.join();
}

void SelfProbe::Watch() {
  while (!stop_.WaitFor(kEvery)) {
    failures_ = AskKept() ? 0 : failures_ + 1;
    const bool reached = tls_ && !address_.unix_socket ? AnswersTlsHandshake(address_, kTimeout)
                                                       : AnswersHealthCheck(address_, kTimeout);
    strangers_failures_ = reached ? 0 : strangers_failures_ + 1;
  }
}

bool SelfProbe::AskKept() {
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (kept_ == nullptr) {
      int ends[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
      give_(ends[0]);
      kept_ = grpc::CreateInsecureChannelFromFd("self-probe", ends[1]);
    }
    grpc::Status status = Check(kept_, kTimeout);
    if (IsAnswer(status)) {
      status = CallWithoutMessage(kept_, kTimeout);
      if (IsAnyAnswer(status)) return true;
    }
    kept_ = nullptr;
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return false;
  }
  return false;
}

}  // namespace hiif::server
