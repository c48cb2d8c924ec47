// One connection: requests one after the other, their answers, and what it may cost.
//
// Everything happens on the I/O thread, but for the Responder that a request's own thread uses; it
// hands its pieces over and waits.
#ifndef SERVER_FRONTS_HTTP_SESSION_H_
#define SERVER_FRONTS_HTTP_SESSION_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/steady_timer.hpp"
#include "server/fronts/http/exchange.h"
#include "server/fronts/http/parser.h"
#include "server/fronts/http/session_limits.h"
#include "server/fronts/http/transport.h"
#include "server/fronts/upload_pace.h"

namespace hiif::server::http {

class Session;

// Of all sessions of a server.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual Handler& handler() = 0;
  virtual ByteBudget& bodies() = 0;
  virtual const SessionLimits& limits() const = 0;
  // No new requests on old connections.
  virtual bool closing() const = 0;
  // +1 when a request is accepted, -1 when it is answered or its client is gone.
  virtual void OnBusy(int change) = 0;
  // Runs `work` on a thread of its own; false: there are none left.
  virtual bool RunThread(std::function<void()> work) = 0;
  virtual void OnClosed(Session* session) = 0;
};

class Session : public std::enable_shared_from_this<Session>, private Responder {
 public:
  // host outlives it; peer: address without a port.
  Session(boost::asio::io_context* io, std::unique_ptr<Transport> transport, std::string peer,
          SessionHost* host);

  void Start();
  // Waits for a request, or for the rest of its head: closing it costs nobody an answer.
  bool idle() const { return phase_ <= Phase::kHead; }
  // As of which it has not brought a whole request.
  absl::Time idle_since() const { return since_; }
  void Close();

 private:
  enum class Phase { kHandshake, kIdle, kHead, kBody, kRunning, kAnswering, kLinger, kClosed };

  // Reading.
  void ArmRead();
  void OnRead(const boost::system::error_code& error, size_t size);
  void Process();
  void ProcessHead();
  void ProcessBody();
  void OnHead();
  void BadRequest(int http_status, absl::string_view what);
  void RefuseBody(const absl::Status& status, int http_status);

  // Time.
  // 0: never.
  void SetTimer(absl::Duration after);
  void StopTimer();
  void OnTimer();

  // Answering.
  void Run();
  void OnRunDone();
  void SendAndGoOn(const Answer& answer);
  void NextRequest();
  void EndExchange();
  void Linger();
  std::string HeadOf(int status, Fields headers);

  // Responder, on the request's thread.
  absl::Status Send(const Answer& answer) override;
  absl::Status Start(int status, const Fields& headers, absl::string_view trailers) override;
  absl::Status Write(absl::string_view data) override;
  absl::Status Finish(const Fields& trailers) override;
  bool started() const override { return started_; }
  absl::Status Alive() const override;
  void WhenGone(std::function<void()> callback, absl::Time wake) override;
  absl::Status WriteAndWait(Transport::Pieces pieces);
  void StartWrite(const Transport::Pieces& pieces, Transport::Done done);
  void Lost(const boost::system::error_code& why);
  void Gone();
  void CallWhenGone() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<Transport> transport_;
  const std::string peer_;
  SessionHost* const host_;
  boost::asio::io_context* const io_;
  boost::asio::steady_timer timer_;        // of the phase
  boost::asio::steady_timer write_timer_;  // of a piece that is being written
  // A timer that was stopped may have run out already: only the newest one's word counts.
  int64_t timer_serial_ = 0;
  int64_t write_serial_ = 0;

  Phase phase_ = Phase::kHandshake;
  const absl::Time opened_;
  absl::Time since_;
  std::array<char, 16 << 10> input_;
  bool reading_ = false;
  std::string unread_;   // bytes that are not parsed
  size_t position_ = 0;  // of the first of them
  std::optional<RequestParser> parser_;
  std::unique_ptr<Exchange> exchange_;
  absl::Time body_since_;
  absl::Time body_due_;  // of its next part
  UploadPace pace_;
  int64_t lingered_ = 0;
  std::string text_;  // being written by the I/O thread
  bool writing_ = false;

  // Of the request that is being answered.
  bool head_only_ = false;  // HEAD
  bool http10_ = false;
  bool keep_ = false;  // the connection, afterwards
  std::atomic<bool> started_ = false;
  std::atomic<bool> finished_ = false;
  std::atomic<bool> gone_ = false;
  std::atomic<bool> too_slow_ = false;
  absl::Mutex mutex_;  // held while the callback runs
  std::function<void()> when_gone_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_SESSION_H_
