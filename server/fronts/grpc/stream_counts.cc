#include "server/fronts/grpc/stream_counts.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/json.h"
#include "base/steady_now.h"
#include "grpc/grpc.h"
#include "grpc/support/alloc.h"

namespace hiif::server {
namespace {

using Json = nlohmann::json;

constexpr JsonBounds kBounds = {.depth = 16, .values = 1 << 20};
constexpr intptr_t kPage = 500;
constexpr absl::Duration kLookEvery = absl::Milliseconds(10);

// channelz writes numbers as texts, and leaves zeros out.
int64_t Number(const Json& object, const char* key) {
  const auto found = object.find(key);
  int64_t number = 0;
  if (found == object.end() || !found->is_string() ||
      !absl::SimpleAtoi(found->get<std::string>(), &number))
    return 0;
  return number;
}

std::string Owned(char* text) {
  const std::unique_ptr<char, decltype(&gpr_free)> owned(text, &gpr_free);
  return text == nullptr ? "" : text;
}

}  // namespace

std::string PeerName(const sockaddr_storage& peer) {
  char host[INET6_ADDRSTRLEN] = "";
  if (peer.ss_family == AF_INET) {
    const auto& name = reinterpret_cast<const sockaddr_in&>(peer);
    inet_ntop(AF_INET, &name.sin_addr, host, sizeof(host));
    return absl::StrCat("ipv4:", host, ":", ntohs(name.sin_port));
  }
  if (peer.ss_family != AF_INET6) return "";
  const auto& name = reinterpret_cast<const sockaddr_in6&>(peer);
  if (IN6_IS_ADDR_V4MAPPED(&name.sin6_addr)) {
    inet_ntop(AF_INET, &name.sin6_addr.s6_addr[12], host, sizeof(host));
    return absl::StrCat("ipv4:", host, ":", ntohs(name.sin6_port));
  }
  inet_ntop(AF_INET6, &name.sin6_addr, host, sizeof(host));
  return absl::StrCat("ipv6:[", host, "]:", ntohs(name.sin6_port));
}

bool ParseSocket(absl::string_view json, Traffic* traffic) {
  const auto answer = ParseJson(json, kBounds);
  if (!answer.ok() || !answer->is_object() || !answer->contains("socket")) return false;
  const Json& socket = (*answer)["socket"];
  // Nothing has happened yet where there are no data.
  const Json data = socket.is_object() && socket.contains("data") ? socket["data"] : Json::object();
  traffic->streams = Number(data, "streamsStarted");
  traffic->succeeded = Number(data, "streamsSucceeded");
  traffic->failed = Number(data, "streamsFailed");
  traffic->messages = Number(data, "messagesReceived");
  return true;
}

void ParseServerSockets(absl::string_view json, std::map<std::string, int64_t>* ids, bool* end) {
  *end = true;
  const auto answer = ParseJson(json, kBounds);
  if (!answer.ok() || !answer->is_object()) return;
  *end = answer->value("end", false);
  const auto sockets = answer->find("socketRef");
  if (sockets == answer->end() || !sockets->is_array() || sockets->empty()) {
    *end = true;
    return;
  }
  for (const Json& socket : *sockets) {
    if (!socket.is_object() || !socket.contains("name") || !socket["name"].is_string()) continue;
    // "chttp2 ipv4:192.0.2.7:40000"
    const std::string name = socket["name"];
    const std::string peer = name.substr(std::min(name.size(), name.rfind(' ') + 1));
    (*ids)[absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}})] = Number(socket, "socketId");
  }
}

void StreamCounts::FindConnections() {
  ids_.clear();
  const auto servers = ParseJson(Owned(grpc_channelz_get_servers(0)), kBounds);
  if (!servers.ok() || !servers->is_object()) return;
  const auto list = servers->find("server");
  if (list == servers->end() || !list->is_array()) return;
  for (const Json& server : *list) {
    if (!server.is_object() || !server.contains("ref")) continue;
    const int64_t id = Number(server["ref"], "serverId");
    int64_t start = 0;
    for (bool end = false; !end;) {
      std::map<std::string, int64_t> page;
      ParseServerSockets(Owned(grpc_channelz_get_server_sockets(id, start, kPage)), &page, &end);
      for (const auto& [peer, socket] : page) start = std::max(start, socket + 1);
      ids_.merge(page);
    }
  }
}

bool StreamCounts::Fill(const sockaddr_storage& address, Traffic* traffic) {
  const std::string peer = PeerName(address);
  if (peer.empty()) return false;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto found = ids_.find(peer);
    if (found != ids_.end()) {
      if (ParseSocket(Owned(grpc_channelz_get_socket(found->second)), traffic)) return true;
      ids_.erase(found);  // another connection by now
    }
    const absl::Time now = SteadyNow();
    if (now - looked_ < kLookEvery) return false;
    looked_ = now;
    FindConnections();
  }
  return false;
}

}  // namespace hiif::server
