#include "server/fronts/grpc/grpc_server.h"

#include <climits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/steady_flag.h"
#include "grpc/grpc.h"
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/impl/server_builder_plugin.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_builder.h"
#include "server/config/listen.h"
#include "server/fronts/grpc/answers.h"
#include "server/fronts/grpc/grpc_log.h"
#include "server/fronts/grpc/hand_over.h"
#include "server/fronts/grpc/stream_counts.h"

namespace hiif::server {
namespace {

constexpr int kWindowBytes = 1 << 20;
// Connections to one --listen that may send without a pause before somebody waits (HandOver).
constexpr int kLanes = 16;

// 0 is "never", which gRPC writes as the largest int.
int Milliseconds(const google::protobuf::Duration& duration, bool zero_is_never) {
  const int64_t value = absl::ToInt64Milliseconds(ToDuration(duration));
  if (value == 0 && zero_is_never) return INT_MAX;
  return static_cast<int>(std::min<int64_t>(value, INT_MAX));
}

void SetArguments(const ServerConfig& config, int64_t buffer_bytes, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(config.max_receive_bytes()));
  builder->SetMaxSendMessageSize(-1);
  // gRPC 1.51 compares what came with the limit before it is unpacked: 600 KB would be 600 MiB.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, config.max_streams_per_connection());
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              Milliseconds(config.handshake_timeout(), true));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                              Milliseconds(config.connection_idle(), true));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                              Milliseconds(config.connection_age(), true));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                              Milliseconds(config.connection_age_grace(), false));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                              Milliseconds(config.keepalive_time(), true));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                              Milliseconds(config.keepalive_timeout(), true));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Pings too many only get their answer. Counting them costs gRPC 1.51 more than they do: each
  // that comes behind the last allowed one in the same read is added to an error that is copied
  // each time (64 KiB of pings take 100 ms). FloodMeter ends what is a flood.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  // A window of its own size, not of what the line could hold (32 MiB on a fast one): so much at
  // most comes in without an answer, which is what FloodMeter knows honest messages by.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 1);  // what FloodMeter is told
  // A thread each call; some more for answers and health checks that wait for their clients, so
  // that refusing what is too much has threads left.
  grpc::ResourceQuota quota("hiif-server");
  quota.SetMaxThreads(config.max_rpcs() + 40);
  quota.Resize(static_cast<size_t>(buffer_bytes));
  builder->SetResourceQuota(quota);
}

// The library of reflection adds itself to every server of a process that is linked to it.
struct WithoutReflection : grpc::ServerBuilderOption {
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const std::string name = grpc::reflection::ProtoServerReflectionPlugin().name();
    std::erase_if(*plugins, [&name](const auto& plugin) { return plugin->name() == name; });
  }
};

}  // namespace

struct GrpcServer::Ending {
  SteadyFlag done;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const ServerConfig& config, int64_t buffer_bytes, const std::vector<grpc::Service*>& services) {
  TakeGrpcLog();
  FollowAnswers();
  grpc::EnableDefaultHealthCheckService(true);
  if (config.channelz()) grpc::channelz::experimental::InitChannelzService();
  auto result = std::unique_ptr<GrpcServer>(new GrpcServer);
  grpc::ServerBuilder builder;
  SetArguments(config, buffer_bytes, &builder);
  if (config.reflection())
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  else
    builder.SetOption(std::make_unique<WithoutReflection>());
  if (!config.tls_certificate().empty()) {
    HIIF_ASSIGN_OR_RETURN(result->tls_, ServerTls::Create(TlsFilesOf(config)));
  }
  std::vector<Acceptor::Door>& doors = result->doors_;
  const auto counts = std::make_shared<StreamCounts>();
  for (const std::string& listen : config.listen()) {
    HIIF_ASSIGN_OR_RETURN(const Address address, ParseAddress(listen));
    const auto credentials = address.unix_socket || result->tls_ == nullptr
                                 ? grpc::InsecureServerCredentials()
                                 : result->tls_->credentials();
    absl::StatusOr<std::vector<ListeningSocket>> sockets = Listen(address);
    if (!sockets.ok())
      return absl::Status(sockets.status().code(),
                          absl::StrCat("--listen: ", sockets.status().message()));
    HandOver* const connections =
        result->connections_.emplace_back(std::make_unique<HandOver>(kLanes, credentials, &builder))
            .get();
    for (const ListeningSocket& socket : *sockets) {
      if (result->first_.port == 0 && !socket.address.unix_socket) result->first_ = socket.address;
      doors.push_back({socket, [connections](int fd) { connections->Give(fd); },
                       [counts](const sockaddr_storage& peer, Traffic* traffic) {
                         return counts->Fill(peer, traffic);
                       }});
    }
  }
  result->own_ = std::make_unique<HandOver>(1, grpc::InsecureServerCredentials(), &builder);
  for (grpc::Service* service : services) builder.RegisterService(service);
  result->server_ = builder.BuildAndStart();
  if (result->server_ == nullptr) return absl::InternalError("gRPC did not start");
  if (result->first_.port == 0 && !doors.empty()) result->first_ = doors[0].socket.address;
  result->SetHealth("", false);
  return result;
}

GrpcServer::~GrpcServer() {
  CloseDoors(doors_);
  if (server_ == nullptr) return;
  BeginShutdown();
  EndShutdown(absl::ZeroDuration());
}

void GrpcServer::SetHealth(const std::string& service, bool serving) {
  auto* health = server_->GetHealthCheckService();
  health->SetServingStatus(service, serving);
}

void GrpcServer::BeginShutdown() {
  if (ending_ != nullptr) return;
  for (const auto& connections : connections_) connections->End();
  own_->End();
  ending_ = std::make_unique<Ending>();
  ending_->thread = std::thread([this] {
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::hours(24));
    ending_->done.Raise();
  });
}

void GrpcServer::EndShutdown(absl::Duration grace) {
  if (!ending_->thread.joinable()) return;
  // A watch of the health service never ends by itself.
  if (!ending_->done.WaitFor(grace)) grpc_server_cancel_all_calls(server_->c_server());
  ending_->thread.join();
}

}  // namespace hiif::server
