// What gRPC has counted of its connections (channelz).
#ifndef SERVER_FRONTS_GRPC_STREAM_COUNTS_H_
#define SERVER_FRONTS_GRPC_STREAM_COUNTS_H_

#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/fronts/flood_meter.h"

namespace hiif::server {

// The other end of a connection as gRPC names it, "ipv4:192.0.2.7:40000"; empty for unix sockets.
std::string PeerName(const sockaddr_storage& peer);

// One thread.
class StreamCounts {
 public:
  // Fills what gRPC counts of the server's connection with that peer. False: it knows none; new
  // ones are looked for each 10 ms at most.
  bool Fill(const sockaddr_storage& address, Traffic* traffic);

 private:
  void FindConnections();
  absl::Time looked_ = absl::InfinitePast();
  std::map<std::string, int64_t> ids_;  // by peer
};

// Parts of channelz's answers; false and no entries where they are not understood.
bool ParseSocket(absl::string_view json, Traffic* traffic);
void ParseServerSockets(absl::string_view json, std::map<std::string, int64_t>* ids, bool* end);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_STREAM_COUNTS_H_
