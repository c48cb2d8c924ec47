#include "server/fronts/grpc/self_probe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "hiif/v1/super_resolution.grpc.pb.h"
#include "server/config/listen.h"

namespace hiif::server {
namespace {

// A socket that listens and is never asked for its connections: what a deaf server looks like.
class DeafServer {
 public:
  DeafServer() : sockets_(*Listen(*ParseAddress("127.0.0.1:0"))) {}
  ~DeafServer() {
    for (const ListeningSocket& socket : sockets_) close(socket.fd);
  }
  const Address& address() const { return sockets_[0].address; }

 private:
  const std::vector<ListeningSocket> sockets_;
};

grpc::Status CallAt(const Address& address) {
  return CallWithoutMessage(
      grpc::CreateChannel(address.ToString(), grpc::InsecureChannelCredentials()),
      absl::Milliseconds(300));
}

TEST(SelfProbe, ADeafServerDoesNotAnswer) {
  const DeafServer server;
  const absl::Time start = absl::Now();
  EXPECT_FALSE(AnswersHealthCheck(server.address(), absl::Milliseconds(300)));
  EXPECT_FALSE(AnswersTlsHandshake(server.address(), absl::Milliseconds(300)));
  EXPECT_EQ(CallAt(server.address()).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST(SelfProbe, NobodyThereDoesNotAnswer) {
  Address address;
  {
    const DeafServer server;
    address = server.address();
  }
  EXPECT_FALSE(AnswersHealthCheck(address, absl::Milliseconds(300)));
  EXPECT_FALSE(AnswersTlsHandshake(address, absl::Milliseconds(300)));
}

// Counts the calls that come to it.
class Service : public v1::SuperResolutionService::Service {
 public:
  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest*,
                        v1::GetModelResponse*) override {
    ++calls;
    return grpc::Status::OK;
  }
  int calls = 0;
};

TEST(SelfProbe, ACallWithoutAMessageIsAnsweredBeforeAnyHandler) {
  Service service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const grpc::Status status = CallWithoutMessage(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()),
      absl::Seconds(20));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL) << status.error_message();
  EXPECT_EQ(service.calls, 0);
}

}  // namespace
}  // namespace hiif::server
