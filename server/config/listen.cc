#include "server/config/listen.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error_text.h"
#include "base/status_macros.h"

namespace hiif::server {
namespace {

constexpr int kBacklog = 1024;

absl::Status Failure(const Address& address, absl::string_view what, int error) {
  return absl::FailedPreconditionError(
      absl::StrCat(what, " ", address.ToString(), ": ", ErrorText(error)));
}

// A machine may be without it.
bool HasIpv6() {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);  // ParseAddress bounds it
  return address;
}

// A socket of a server that still runs is not taken away from it.
bool SomebodyListens(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool connected =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return connected;
}

absl::StatusOr<ListeningSocket> Open(const Address& address, int family, const sockaddr* name,
                                     socklen_t size) {
  ListeningSocket result{socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), address};
  if (result.fd < 0) return Failure(address, "cannot open a socket for", errno);
  auto discard = absl::MakeCleanup([&] { close(result.fd); });
  if (family != AF_UNIX) {
    const int yes = 1;
    setsockopt(result.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    setsockopt(result.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));  // what is accepted has it
  }
  if (family == AF_INET6) {
    const int only = address.host == "::" ? 0 : 1;
    setsockopt(result.fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
  }
  if (bind(result.fd, name, size) != 0 || listen(result.fd, kBacklog) != 0)
    return Failure(address, "cannot listen on", errno);
  std::move(discard).Cancel();
  return result;
}

absl::StatusOr<std::vector<ListeningSocket>> ListenUnix(const Address& address) {
  const sockaddr_un name = UnixAddress(address.path);
  if (SomebodyListens(name))
    return absl::FailedPreconditionError(absl::StrCat("a server runs on ", address.ToString()));
  struct stat facts {};
  if (lstat(address.path.c_str(), &facts) == 0) {
    if (!S_ISSOCK(facts.st_mode))
      return absl::FailedPreconditionError(
          absl::StrCat(address.path, " is there and no socket: name another path for ",
                       address.ToString(), ", or remove it"));
    unlink(address.path.c_str());
  }
  HIIF_ASSIGN_OR_RETURN(
      const ListeningSocket socket,
      Open(address, AF_UNIX, reinterpret_cast<const sockaddr*>(&name), sizeof(name)));
  return std::vector<ListeningSocket>{socket};
}

// With the host as a number and the port that the system gave.
Address Bound(int fd, Address address) {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  char host[INET6_ADDRSTRLEN] = "";
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return address;
  if (name.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&name);
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
    address.port = ntohs(v4->sin_port);
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&name);
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
    address.port = ntohs(v6->sin6_port);
  }
  address.host = host;
  return address;
}

}  // namespace

absl::StatusOr<std::vector<ListeningSocket>> Listen(const Address& address) {
  if (address.unix_socket) return ListenUnix(address);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string host = address.host == "::" && !HasIpv6() ? "0.0.0.0" : address.host;
  const int error = getaddrinfo(host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (error != 0)
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> names(found, freeaddrinfo);

  std::vector<ListeningSocket> sockets;
  absl::Status failure = absl::OkStatus();
  int port = address.port;
  for (addrinfo* name = names.get(); name != nullptr; name = name->ai_next) {
    if (name->ai_family == AF_INET) {
      reinterpret_cast<sockaddr_in*>(name->ai_addr)->sin_port = htons(static_cast<uint16_t>(port));
    } else if (name->ai_family == AF_INET6) {
      reinterpret_cast<sockaddr_in6*>(name->ai_addr)->sin6_port =
          htons(static_cast<uint16_t>(port));
    } else {
      continue;
    }
    absl::StatusOr<ListeningSocket> socket =
        Open(address, name->ai_family, name->ai_addr, name->ai_addrlen);
    if (!socket.ok()) {
      failure.Update(socket.status());
      continue;
    }
    socket->address = Bound(socket->fd, address);
    port = socket->address.port;
    sockets.push_back(*std::move(socket));
  }
  // A name of which one address does not work here (a machine without IPv6) serves by the other;
  // one that is taken must not go unnoticed.
  const bool taken = !failure.ok() && absl::StrContains(failure.message(), ErrorText(EADDRINUSE));
  if (!sockets.empty() && !taken) return sockets;
  for (const ListeningSocket& socket : sockets) close(socket.fd);
  return failure.ok()
             ? absl::FailedPreconditionError(absl::StrCat("cannot listen on ", address.ToString()))
             : failure;
}

}  // namespace hiif::server
