#include "server/fronts/acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/steady_now.h"
#include "server/core/caller_network.h"

namespace hiif::server {
namespace {

constexpr absl::Duration kSweepEvery = absl::Seconds(1);
// At most as often where something would be refused.
constexpr absl::Duration kEarlySweepEvery = absl::Milliseconds(5);
// While connections are open; and looks take a tenth of a processor at most.
constexpr absl::Duration kLookEvery = absl::Milliseconds(10);
constexpr int kLookPart = 10;
// What a connection may bring between two looks without its door being asked what it is.
constexpr int64_t kQuietBytes = 4096;
constexpr absl::Duration kLookOnProbation = absl::Milliseconds(5);
// Between two looks at a connection that brought so much since the last: floods over fast lines
// bring a gigabyte a second.
constexpr int64_t kFastBytes = 64 << 10;
constexpr absl::Duration kLookAtFast = absl::Milliseconds(2);
constexpr int64_t kAbandonedOnProbation = 20;
constexpr int64_t kMessagePartOnProbation = 8;
// Connections that wait for their turn, of addresses on probation.
constexpr size_t kMaxWaiting = 64;
constexpr absl::Duration kSilent = absl::Seconds(10);
// Connections taken from one socket before the others get their turn.
constexpr int kAtOnce = 64;
// Connections from this machine that are taken above max_connections.
constexpr int kLocalMore = 8;

// Descriptors that connections leave to files, models and the management port; connections from
// this machine (health, the command line of an operator) leave half of them.
int64_t Reserve(int64_t limit) { return std::min<int64_t>(64, limit / 8); }

int64_t DescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return INT_MAX;
  return static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, INT_MAX));
}

uint64_t InodeOf(int fd) {
  struct stat facts {};
  return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

// A descriptor of our own of the socket, which may be closed, and its number another's, at any
// time; -1: it is, or there is none left.
int Hold(int fd, uint64_t inode) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0 || InodeOf(own) == inode) return own;
  close(own);
  return -1;
}

// Without its port; "unix" for unix sockets.
std::string HostOf(const sockaddr_storage& name) {
  char host[INET6_ADDRSTRLEN] = "";
  if (name.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&name)->sin_addr, host, sizeof(host));
  } else if (name.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&name)->sin6_addr, host,
              sizeof(host));
  } else {
    return "unix";
  }
  return host;
}

// Of this thread: waiting for a processor, which a flood keeps busy, is no reason to look less.
absl::Duration OwnProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

// Without what still waits in the socket. False: not a TCP connection.
bool ReadTraffic(int fd, Traffic* traffic) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  int waiting = 0;
  ioctl(fd, SIOCINQ, &waiting);
  traffic->received_bytes = static_cast<int64_t>(info.tcpi_bytes_received) - waiting;
  traffic->sent_bytes = static_cast<int64_t>(info.tcpi_bytes_sent);
  traffic->taken_bytes = static_cast<int64_t>(info.tcpi_bytes_acked);
  traffic->unsent_bytes = info.tcpi_notsent_bytes;
  return true;
}

bool OutOfDescriptors(int error) { return error == EMFILE || error == ENFILE; }

}  // namespace

int64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  return DescriptorLimit();
}

void CloseDoors(const std::vector<Acceptor::Door>& doors) {
  for (const Acceptor::Door& door : doors) {
    // While it is ours: once it is closed, another server may have taken the name.
    if (door.socket.address.unix_socket) unlink(door.socket.address.path.c_str());
    close(door.socket.fd);
  }
}

Acceptor::Acceptor(const AcceptorOptions& options, std::vector<Door> doors, OnRefused on_refused)
    : options_(options),
      doors_(std::move(doors)),
      on_refused_(std::move(on_refused)),
      last_round_ns_(absl::ToUnixNanos(SteadyNow())),
      spare_fd_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Watch(); }) {}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(wake_fd_, 1);
  thread_.join();
  CloseDoors(doors_);
  for (const Newcomer& newcomer : waiting_) close(newcomer.fd);
  for (const int fd : {spare_fd_, wake_fd_})
    if (fd >= 0) close(fd);
}

void Acceptor::Watch() {
  std::vector<pollfd> polled;
  for (const Door& door : doors_) polled.push_back({door.socket.fd, POLLIN, 0});
  polled.push_back({wake_fd_, POLLIN, 0});
  absl::Time next_sweep = SteadyNow() + kSweepEvery;
  absl::Time next_look = SteadyNow();
  absl::Duration until_look = kLookEvery;
  while (true) {
    const absl::Duration wait = !waiting_.empty()      ? kLookOnProbation
                                : connections_.empty() ? kSweepEvery
                                                       : until_look;
    const int ready =
        poll(polled.data(), polled.size(), static_cast<int>(absl::ToInt64Milliseconds(wait)));
    if (polled.back().revents != 0) return;
    const absl::Time now = SteadyNow();
    last_round_ns_ = absl::ToUnixNanos(now);
    if (ready > 0)
      for (size_t i = 0; i < doors_.size(); ++i)
        if (polled[i].revents != 0) AcceptFrom(doors_[i]);
    TakeWaiting(now);
    if (now >= next_look) {
      const absl::Duration before = OwnProcessorTime();
      const absl::Duration wanted = CloseFloods(now);
      until_look = std::max(wanted, kLookPart * (OwnProcessorTime() - before));
      next_look = now + until_look;
    }
    if (now >= next_sweep) {
      Sweep(now);
      CloseStalled(now);
      next_sweep = now + kSweepEvery;
    }
  }
}

bool Acceptor::Accepting() const {
  return SteadyNow() - absl::FromUnixNanos(last_round_ns_) < kSilent;
}

void Acceptor::AcceptFrom(const Door& door) {
  for (int i = 0; i < kAtOnce; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    const int fd = accept4(door.socket.fd, reinterpret_cast<sockaddr*>(&peer), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (OutOfDescriptors(errno)) RefuseBySpare(door.socket.fd);
      if (errno == ENOBUFS || errno == ENOMEM) absl::SleepFor(absl::Milliseconds(100));
      if (errno == ECONNABORTED || errno == EINTR) continue;
      return;  // none left, or nothing to be done about it: the next turn tries again
    }
    sockaddr_storage own{};
    size = sizeof(own);
    getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
    const std::string host = HostOf(peer);
    const bool local = host == "unix" || host == HostOf(own);
    // A neighbour of one network is not charged for what this machine does.
    const Newcomer newcomer{fd, &door, local ? host : CallerNetwork(host), peer, local};
    absl::string_view objection = LastingObjection(fd, newcomer.address, newcomer.local);
    if (objection.empty()) {
      const FloodPenalties::Answer answer = penalties_.Ask(newcomer.address, SteadyNow());
      if (answer == FloodPenalties::Answer::kTake) {
        Take(newcomer);
        continue;
      }
      if (answer == FloodPenalties::Answer::kWait && waiting_.size() < kMaxWaiting) {
        waiting_.push_back(newcomer);
        continue;
      }
      objection = kRefusedFlood;
    }
    on_refused_(objection);
    close(fd);
  }
}

void Acceptor::Take(const Newcomer& newcomer) {
  // Its descriptor may be that of a connection that was closed since the last sweep.
  if (const auto old = connections_.find(newcomer.fd); old != connections_.end()) {
    if (--by_address_[old->second.address] == 0) by_address_.erase(old->second.address);
    connections_.erase(old);
  }
  ++by_address_[newcomer.address];
  connections_.insert_or_assign(
      newcomer.fd, Connection{InodeOf(newcomer.fd), newcomer.door, newcomer.address, newcomer.peer,
                              newcomer.local, FloodMeter(SteadyNow()), StallMeter(SteadyNow())});
  open_ = static_cast<int>(connections_.size());
  if (options_.stalled > absl::ZeroDuration()) {
    const unsigned milliseconds = static_cast<unsigned>(
        std::min<int64_t>(absl::ToInt64Milliseconds(options_.stalled), INT_MAX));
    // Fails for Unix sockets, whose clients are this machine's.
    setsockopt(newcomer.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
  }
  newcomer.door->give(newcomer.fd);
}

void Acceptor::TakeWaiting(absl::Time now) {
  for (auto newcomer = waiting_.begin(); newcomer != waiting_.end();) {
    if (penalties_.Ask(newcomer->address, now) == FloodPenalties::Answer::kTake) {
      Take(*newcomer);
      newcomer = waiting_.erase(newcomer);
    } else {
      ++newcomer;
    }
  }
}

absl::string_view Acceptor::LastingObjection(int fd, const std::string& address, bool local) {
  const absl::string_view objection = Objection(fd, address, local);
  if (objection.empty() || SteadyNow() < next_early_sweep_) return objection;
  Sweep(SteadyNow());
  next_early_sweep_ = SteadyNow() + kEarlySweepEvery;
  return Objection(fd, address, local);
}

absl::string_view Acceptor::Objection(int fd, const std::string& address, bool local) const {
  // The lowest free descriptor is given: all below this one are in use.
  const int64_t limit = DescriptorLimit();
  const int64_t reserve = local ? Reserve(limit) / 2 : Reserve(limit);
  if (fd >= limit - reserve) return kRefusedDescriptors;
  const int connections = static_cast<int>(connections_.size()) - (local ? kLocalMore : 0);
  if (options_.max_connections > 0 && connections >= options_.max_connections)
    return kRefusedConnections;
  const auto same = by_address_.find(address);
  if (options_.max_connections_per_address > 0 && !local && same != by_address_.end() &&
      same->second >= options_.max_connections_per_address)
    return kRefusedAddress;
  return "";
}

absl::Duration Acceptor::CloseFloods(absl::Time now) {
  absl::Duration next = kLookEvery;
  for (auto& [fd, connection] : connections_) {
    FloodLimits limits = options_.floods;
    if (penalties_.OnProbation(connection.address, now)) {
      limits.abandoned_at_once = kAbandonedOnProbation;
      limits.max_message_bytes /= kMessagePartOnProbation;
      next = std::min(next, kLookOnProbation);
    }
    Traffic traffic;
    if (!connection.door->count || !ReadTraffic(fd, &traffic) ||
        traffic.received_bytes - connection.received_bytes < kQuietBytes)
      continue;
    const int own = Hold(fd, connection.inode);
    if (own < 0) continue;
    const auto closer = absl::MakeCleanup([own] { close(own); });
    if (!ReadTraffic(own, &traffic) || !connection.door->count(connection.peer, &traffic)) continue;
    if (traffic.received_bytes - connection.received_bytes >= kFastBytes)
      next = std::min(next, kLookAtFast);
    connection.received_bytes = traffic.received_bytes;
    if (!connection.meter.Floods(traffic, limits, now)) continue;
    EndFlood(own, connection, now);
    next = std::min(next, kLookOnProbation);
  }
  return next;
}

void Acceptor::EndFlood(int own, const Connection& connection, absl::Time now) {
  shutdown(own, SHUT_RDWR);
  on_refused_(kRefusedFlood);
  penalties_.Punish(connection.address, connection.local, now);
}

void Acceptor::CloseStalled(absl::Time now) {
  std::map<std::string, int64_t> held;  // streams by address
  std::vector<int> stalled;
  for (auto& [fd, connection] : connections_) {
    Traffic traffic;
    if (!connection.door->count || !ReadTraffic(fd, &traffic) ||
        !connection.stall.Stalled(traffic, now) ||
        !connection.door->count(connection.peer, &traffic))
      continue;
    held[connection.address] += traffic.open();
    stalled.push_back(fd);
  }
  for (const int fd : stalled) {
    const Connection& connection = connections_.at(fd);
    if (held[connection.address] <= options_.floods.stalled_streams) continue;
    const int own = Hold(fd, connection.inode);
    if (own < 0) continue;
    const auto closer = absl::MakeCleanup([own] { close(own); });
    // What waits goes with the connection, which would hold it for as long as its client likes.
    const linger at_once{1, 0};
    setsockopt(own, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    EndFlood(own, connection, now);
  }
}

void Acceptor::Sweep(absl::Time now) {
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    if (InodeOf(connection->first) == connection->second.inode) {
      ++connection;
      continue;
    }
    const auto same = by_address_.find(connection->second.address);
    if (--same->second == 0) by_address_.erase(same);
    connection = connections_.erase(connection);
  }
  open_ = static_cast<int>(connections_.size());
  penalties_.Sweep(now);
}

void Acceptor::RefuseBySpare(int listening_fd) {
  if (spare_fd_ >= 0) close(spare_fd_);
  const int fd = accept4(listening_fd, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) {
    close(fd);
    on_refused_(kRefusedDescriptors);
  }
  spare_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  // Without a spare one the connection waits in the kernel's queue.
  if (spare_fd_ < 0) absl::SleepFor(absl::Milliseconds(10));
  errno = EMFILE;
}

}  // namespace hiif::server
