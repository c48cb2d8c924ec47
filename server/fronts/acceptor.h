// Takes the connections of all fronts, within limits that they share, and hands them over.
//
// gRPC 1.51 stops listening for ever when the process has no descriptor left for a connection; this
// does not. It keeps some descriptors for files and for connections from this machine, and closes
// at once what comes beyond its limits, so that a client learns of it. Connections that flood
// (flood_meter.h), or hold many calls whose answers they do not take (stall_meter.h), are closed;
// their address gets none for a while, and is trusted less afterwards.
#ifndef SERVER_FRONTS_ACCEPTOR_H_
#define SERVER_FRONTS_ACCEPTOR_H_

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/config/listen.h"
#include "server/fronts/flood_meter.h"
#include "server/fronts/flood_penalties.h"
#include "server/fronts/stall_meter.h"

namespace hiif::server {

// Why a connection was closed at once; label of hiif_connections_refused_total.
inline constexpr char kRefusedDescriptors[] = "DESCRIPTORS";
inline constexpr char kRefusedConnections[] = "CONNECTIONS";
inline constexpr char kRefusedAddress[] = "ADDRESS";
// Of a connection that was open too.
inline constexpr char kRefusedFlood[] = "FLOOD";

struct AcceptorOptions {
  int max_connections = 0;  // 0: as many as there are descriptors
  // Of one client's address (CallerNetwork()), this machine's apart; 0: no limit.
  int max_connections_per_address = 0;
  FloodLimits floods;
  // After which a connection is given up whose client's system takes nothing; 0: never. A call that
  // ends cannot get past bytes that are on their way already.
  absl::Duration stalled = absl::ZeroDuration();
};

class Acceptor {
 public:
  struct Door {
    ListeningSocket socket;
    // Takes the connection over, and closes it. Returns at once: nobody is let in, and no flood
    // ended, meanwhile.
    std::function<void(int fd)> give;
    // Fills streams and messages of the connection with that peer; false: not known (yet). Empty:
    // connections of this door are not judged.
    std::function<bool(const sockaddr_storage& peer, Traffic* traffic)> count = nullptr;
  };
  using OnRefused = std::function<void(absl::string_view reason)>;

  // Owns the sockets. Begins at once.
  Acceptor(const AcceptorOptions& options, std::vector<Door> doors, OnRefused on_refused);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Closes the sockets; connections stay. Not from inside a callback.
  void Stop();
  // Open connections, as of the last second. Any thread.
  int connections() const { return open_; }
  // Whether its thread came round lately. Any thread.
  bool Accepting() const;

 private:
  struct Connection {
    uint64_t inode = 0;  // of the socket: the descriptor may be another's by now
    const Door* door = nullptr;
    std::string address;  // as limits count it
    sockaddr_storage peer{};
    bool local = false;
    FloodMeter meter;
    StallMeter stall;
    int64_t received_bytes = 0;  // at the last look
  };
  // Accepted, and not handed over yet.
  struct Newcomer {
    int fd;
    const Door* door;
    std::string address;
    sockaddr_storage peer;
    bool local;
  };

  void Watch();
  void AcceptFrom(const Door& door);
  // What Objection() says even after connections that are closed by now were forgotten.
  absl::string_view LastingObjection(int fd, const std::string& address, bool local);
  void Take(const Newcomer& newcomer);
  // Those of addresses on probation whose turn it is.
  void TakeWaiting(absl::Time now);
  // Why it is not taken, or empty.
  absl::string_view Objection(int fd, const std::string& address, bool local) const;
  // Closes connections that flood; when to look again.
  absl::Duration CloseFloods(absl::Time now);
  // Closes connections that take nothing, of addresses that hold many calls so.
  void CloseStalled(absl::Time now);
  // own: the connection's descriptor, or one of the same socket.
  void EndFlood(int own, const Connection& connection, absl::Time now);
  // Forgets connections that are closed, and penalties that are long over.
  void Sweep(absl::Time now);
  // With no descriptor left: takes one connection by means of the spare one and closes it.
  void RefuseBySpare(int listening_fd);

  const AcceptorOptions options_;
  const std::vector<Door> doors_;
  const OnRefused on_refused_;
  std::map<int, Connection> connections_;  // by descriptor
  std::map<std::string, int> by_address_;
  absl::Time next_early_sweep_ = absl::InfinitePast();
  std::vector<Newcomer> waiting_;
  FloodPenalties penalties_;
  std::atomic<int> open_ = 0;
  std::atomic<int64_t> last_round_ns_;
  int spare_fd_ = -1;
  int wake_fd_ = -1;
  std::thread thread_;
};

// Of an acceptor that there is none for.
void CloseDoors(const std::vector<Acceptor::Door>& doors);

// The limit of descriptors raised as far as the system lets it; what it is then.
int64_t RaiseDescriptorLimit();

}  // namespace hiif::server

#endif  // SERVER_FRONTS_ACCEPTOR_H_
