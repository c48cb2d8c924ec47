// The servers of a client: a channel each, and which one the next call goes to.
#ifndef CLIENT_SERVER_POOL_H_
#define CLIENT_SERVER_POOL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/options.h"
#include "grpcpp/channel.h"

namespace hiif::client {

// Any thread.
class ServerPool {
 private:
  struct Server;

 public:
  // The use of a server by one attempt of a call.
  class Lease {
   public:
    Lease(ServerPool* pool, Server* server) : pool_(pool), server_(server) {}
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    const std::shared_ptr<grpc::Channel>& channel() const;
    const std::string& address() const;
    // The server refused or broke off: for a while others are preferred.
    void Failed();

   private:
    ServerPool* const pool_;
    Server* const server_;
  };

  // InvalidArgument: no address, or a token that would travel in clear text.
  static absl::StatusOr<std::unique_ptr<ServerPool>> Create(const ClientOptions& options);
  ~ServerPool();

  // Of the servers that did not just fail, or of all when every one did, the one with the fewest
  // calls.
  std::unique_ptr<Lease> Acquire();

  // Until one server is connected. Unavailable, naming the addresses and what gRPC tells of them,
  // after the timeout; Cancelled.
  absl::Status WaitForConnected(absl::Duration timeout, std::stop_token stop);

  const std::string& authorization() const { return authorization_; }

 private:
  ServerPool() = default;
  std::string Addresses() const;

  std::string authorization_;  // value of the header, or empty
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Server>> servers_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace hiif::client

#endif  // CLIENT_SERVER_POOL_H_
