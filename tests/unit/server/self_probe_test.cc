#include "server/fronts/grpc/self_probe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/time/clock.h"
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

TEST(SelfProbe, ADeafServerDoesNotAnswer) {
  const DeafServer server;
  const absl::Time start = absl::Now();
  EXPECT_FALSE(AnswersHealthCheck(server.address(), absl::Milliseconds(300)));
  EXPECT_FALSE(AnswersTlsHandshake(server.address(), absl::Milliseconds(300)));
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

}  // namespace
}  // namespace hiif::server
