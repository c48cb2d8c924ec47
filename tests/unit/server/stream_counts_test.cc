#include "server/fronts/grpc/stream_counts.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace hiif::server {
namespace {

std::string NameOf(int family, const char* host, uint16_t port) {
  sockaddr_storage name{};
  name.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(name);
    v4.sin_port = htons(port);
    inet_pton(AF_INET, host, &v4.sin_addr);
  } else if (family == AF_INET6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(name);
    v6.sin6_port = htons(port);
    inet_pton(AF_INET6, host, &v6.sin6_addr);
  }
  return PeerName(name);
}

TEST(StreamCounts, NamesPeersAsGrpcDoes) {
  EXPECT_EQ(NameOf(AF_INET, "192.0.2.7", 40000), "ipv4:192.0.2.7:40000");
  EXPECT_EQ(NameOf(AF_INET6, "2001:db8::1", 443), "ipv6:[2001:db8::1]:443");
  EXPECT_EQ(NameOf(AF_INET6, "::ffff:192.0.2.7", 1), "ipv4:192.0.2.7:1");
  EXPECT_EQ(NameOf(AF_UNIX, "", 0), "");
}

TEST(StreamCounts, ReadsWhatChannelzSays) {
  Traffic traffic;
  ASSERT_TRUE(ParseSocket(
      R"({"socket":{"data":{"streamsStarted":"5000","streamsSucceeded":"40","streamsFailed":"3",)"
      R"("messagesReceived":"7"},"ref":{"name":"chttp2 ipv4:127.0.0.1:56170","socketId":"3"}}})",
      &traffic));
  EXPECT_EQ(traffic.streams, 5000);
  EXPECT_EQ(traffic.succeeded, 40);
  EXPECT_EQ(traffic.failed, 3);
  EXPECT_EQ(traffic.messages, 7);
  EXPECT_TRUE(ParseSocket(R"({"socket":{"ref":{"socketId":"3"}}})", &traffic));
  EXPECT_EQ(traffic.streams, 0);
  for (const char* text : {"", "{}", "[]", "null", R"({"socket")"})
    EXPECT_FALSE(ParseSocket(text, &traffic)) << text;

  std::map<std::string, int64_t> ids;
  bool end = false;
  ParseServerSockets(
      R"({"end":true,"socketRef":[{"name":"chttp2 ipv4:127.0.0.1:1","socketId":"3"},)"
      R"({"name":"chttp2 ipv6:%5B::1%5D:2","socketId":"4"},{"socketId":"5"},7]})",
      &ids, &end);
  EXPECT_TRUE(end);
  EXPECT_EQ(ids, (std::map<std::string, int64_t>{{"ipv4:127.0.0.1:1", 3}, {"ipv6:[::1]:2", 4}}));
  // Never a page after the last one.
  end = false;
  ParseServerSockets(R"({"end":false,"socketRef":[]})", &ids, &end);
  EXPECT_TRUE(end);
}

}  // namespace
}  // namespace hiif::server
