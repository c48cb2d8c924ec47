// A gRPC call as the core sees it.
#ifndef SERVER_FRONTS_GRPC_GRPC_CALL_H_
#define SERVER_FRONTS_GRPC_GRPC_CALL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpc/status.h"
#include "grpcpp/server_context.h"
#include "server/core/call.h"
#include "server/core/call_handler.h"
#include "server/fronts/grpc/call_monitor.h"

namespace hiif::server {

// Lives until its answer is sent. Any thread but for the setters.
class GrpcCall : public Call {
 public:
  GrpcCall(grpc::ServerContextBase* context, CallMonitor* monitor);
  ~GrpcCall() override;
  GrpcCall(const GrpcCall&) = delete;
  GrpcCall& operator=(const GrpcCall&) = delete;

  absl::Status Alive() const override;
  void WhenDead(std::function<void()> callback) override;
  absl::Time arrival() const override { return arrival_; }
  absl::Time deadline() const override { return deadline_; }
  const std::string& caller() const override { return caller_; }
  const std::string& request_id() const override { return request_id_; }

  void set_arrival(absl::Time arrival) { arrival_ = arrival; }
  void set_deadline(absl::Time deadline) { deadline_ = deadline; }
  void set_caller(std::string caller) { caller_ = std::move(caller); }
  void set_request_id(std::string request_id) { request_id_ = std::move(request_id); }
  // A place among the handler's calls, until the answer is sent. ResourceExhausted: there are too
  // many.
  absl::Status TakeSlot(CallHandler* calls);
  // First value of a metadata key, or empty.
  std::string Metadata(const char* key) const;
  // "10.0.0.7" of "ipv4:10.0.0.7:5123"; "unix".
  std::string Peer() const;
  // Name in the client's certificate, or empty.
  std::string CertificateName() const;

  // Around each blocking write. bytes: of a message that is larger than a tile's; a client that
  // takes less than kLeastSpeed of it beyond the monitor's time for a write is a slow reader.
  void BeginWrite(int64_t bytes = 0);
  absl::Duration EndWrite();
  // The same for the one message of an answer, which gRPC sends when the handler is over. Without
  // it the answer is small.
  void BeginAnswer(int64_t bytes);
  // Instead of the monitor's, for what follows.
  void set_write_timeout(absl::Duration timeout) {
    own_write_timeout_ns_ = absl::ToInt64Nanoseconds(timeout);
  }
  // The handler is over, well or not: gRPC sends what is left.
  void BeginSending(bool ok);
  // What is awaited from the client must come until then, or the call is ended; InfiniteFuture:
  // nothing is awaited.
  void ExpectUntil(absl::Time time) { expected_ns_ = absl::ToUnixNanos(time); }
  // Around the wait for the next request of a stream: it ends when the server shuts down, and the
  // request that comes arrived when it came.
  void AwaitRequest(absl::Time until);
  void BeginRequest();
  // What the answer holds, until it is sent.
  void Keep(std::shared_ptr<void> held) { held_ = std::move(held); }
  // For the monitor.
  void LookAfter(absl::Time now, bool draining);

  static constexpr int64_t kLeastSpeed = 1 << 20;  // bytes a second

 private:
  enum class Cut { kNone, kSlowReader, kSlowSender, kDraining };
  void CutOff(Cut cut, grpc_status_code code, const char* why);
  // InfiniteDuration: never.
  absl::Duration WriteTimeout() const;

  grpc::ServerContextBase* const context_;
  CallMonitor* const monitor_;
  absl::Time arrival_;
  absl::Time deadline_;
  std::string caller_;
  std::string request_id_;
  std::optional<CallHandler::Slot> slot_;
  std::shared_ptr<void> held_;
  bool answered_ = false;
  std::atomic<int64_t> write_began_ns_ = 0;  // 0: no write under way
  std::atomic<int64_t> write_bytes_ = 0;
  std::atomic<int64_t> own_write_timeout_ns_ = 0;  // 0: there is none
  std::atomic<int64_t> expected_ns_ = absl::ToUnixNanos(absl::InfiniteFuture());
  std::atomic<bool> idle_ = false;  // between the requests of a stream
  std::atomic<Cut> cut_ = Cut::kNone;
  absl::Mutex mutex_;  // held while the callback runs
  std::function<void()> when_dead_ ABSL_GUARDED_BY(mutex_);
};

// The address in a gRPC peer string, without its port.
std::string PeerAddress(absl::string_view peer);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_GRPC_CALL_H_
