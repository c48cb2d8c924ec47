#include "server/fronts/http/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/steady_now.h"
#include "boost/asio/post.hpp"
#include "boost/beast/http/error.hpp"
#include "server/errors/errors.h"

namespace hiif::server::http {
namespace {

using boost::system::error_code;

// A body comes at as many bytes a second or faster in the long run.
constexpr int64_t kBodyRate = 8 << 10;
// What is read and thrown away behind an answer that came before its request's end, so that the
// client gets to read it.
constexpr absl::Duration kLingerTime = absl::Seconds(5);
constexpr int64_t kLingerBytes = int64_t{256} << 20;

// Proxies read such headers differently (RFC 9112, 5.2); Beast takes them.
bool HasFoldedLine(absl::string_view head) {
  return absl::StrContains(head, "\r\n ") || absl::StrContains(head, "\r\n\t");
}

constexpr int kTooLarge = 413;

constexpr absl::string_view kHttp2Preface = "PRI * HTTP/2";
constexpr absl::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

Session::Session(boost::asio::io_context* io, std::unique_ptr<Transport> transport,
                 std::string peer, SessionHost* host)
    : transport_(std::move(transport)),
      peer_(std::move(peer)),
      host_(host),
      io_(io),
      timer_(*io),
      write_timer_(*io),
      opened_(SteadyNow()),
      since_(opened_) {}

void Session::Start() {
  SetTimer(host_->limits().handshake);
  transport_->Handshake([self = shared_from_this()](const error_code& error) {
    if (error || self->phase_ == Phase::kClosed) return self->Close();
    self->phase_ = Phase::kIdle;
    self->ArmRead();
  });
}

void Session::Close() {
  if (phase_ == Phase::kClosed) return;
  const bool body = phase_ == Phase::kBody;
  phase_ = Phase::kClosed;
  if (body) {
    exchange_->Refuse(absl::CancelledError("the client is gone"), 0);
    EndExchange();
  }
  StopTimer();
  transport_->Close();
  Gone();
  host_->OnClosed(this);
}

// --- time

void Session::SetTimer(absl::Duration after) {
  if (after == absl::InfiniteDuration()) return StopTimer();
  const int64_t serial = ++timer_serial_;
  // Never early: a deadline that has not quite passed is none for whom the timer wakes.
  timer_.expires_after(absl::ToChronoMilliseconds(
      absl::Ceil(std::max(after, absl::ZeroDuration()), absl::Milliseconds(1)) +
      absl::Milliseconds(1)));
  timer_.async_wait([self = shared_from_this(), serial](const error_code& error) {
    if (!error && serial == self->timer_serial_) self->OnTimer();
  });
}

void Session::StopTimer() {
  ++timer_serial_;
  timer_.cancel();
}

void Session::OnTimer() {
  switch (phase_) {
    case Phase::kHead:
      return BadRequest(408, "the head of the request took too long");
    case Phase::kBody:
      return RefuseBody(absl::DeadlineExceededError("the body came too slowly"), 408);
    case Phase::kRunning:
      // The deadline of the request. A piece that is not taken by now is not waited for.
      if (writing_) transport_->Close();
      return CallWhenGone();
    default:
      return Close();
  }
}

// --- reading

void Session::ArmRead() {
  if (reading_ || phase_ == Phase::kClosed) return;
  reading_ = true;
  transport_->AsyncRead(input_.data(), input_.size(),
                        [self = shared_from_this()](const error_code& error, size_t size) {
                          self->OnRead(error, size);
                        });
}

void Session::OnRead(const error_code& error, size_t size) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) {
    // Its thread notices, ends, and the connection with it.
    if (phase_ == Phase::kRunning) return Lost(error);
    if (phase_ == Phase::kAnswering) return;  // what is being written may still arrive
    return Close();
  }
  if (phase_ == Phase::kLinger) {
    lingered_ += static_cast<int64_t>(size);
    return lingered_ > kLingerBytes ? Close() : ArmRead();
  }
  unread_.append(input_.data(), size);
  Process();
}

void Session::Process() {
  const auto rest = [this] { return absl::string_view(unread_).substr(position_); };
  // Empty lines in front of a request (RFC 9112, 2.2).
  while (phase_ == Phase::kIdle && absl::StartsWith(rest(), "\r\n")) position_ += 2;
  if (phase_ == Phase::kIdle && !rest().empty() && rest() != "\r") {
    phase_ = Phase::kHead;
    parser_.emplace(&host_->bodies());
    SetTimer(host_->limits().handshake);
  }
  if (phase_ == Phase::kHead) ProcessHead();
  if (phase_ == Phase::kBody && !writing_) ProcessBody();
  if (phase_ == Phase::kClosed || phase_ == Phase::kAnswering || writing_) return;
  unread_.erase(0, std::exchange(position_, 0));
  // While a request runs, reading tells whether the client is still there; what it sends is kept,
  // but not without a bound.
  if (phase_ != Phase::kRunning || unread_.size() < input_.size()) ArmRead();
}

void Session::ProcessHead() {
  error_code error;
  // Bytes of a head that is not complete are looked at again with those that follow.
  const absl::string_view head = absl::string_view(unread_).substr(position_);
  const size_t taken = parser_->put(boost::asio::const_buffer(head.data(), head.size()), error);
  const bool folded = HasFoldedLine(head.substr(0, taken));
  position_ += taken;
  if (folded) return BadRequest(400, "a header that goes on in the next line");
  if (error == boost::beast::http::error::need_more) return;
  if (error == boost::beast::http::error::header_limit)
    return BadRequest(
        431, absl::StrCat("a head of at most ", RequestParser::kMaxHead, " bytes is allowed"));
  if (error && absl::StartsWith(head, kHttp2Preface))
    return BadRequest(505, "HTTP/1.1 is spoken here; gRPC has a port of its own (--listen)");
  if (error) return BadRequest(400, absl::StrCat("not HTTP/1.1: ", error.message()));
  if (parser_->is_header_done()) OnHead();
}

void Session::OnHead() {
  Request& request = parser_->request();
  request.arrival = SteadyNow();
  request.peer = peer_;
  request.certificate = transport_->CertificateName();
  head_only_ = request.method == "HEAD";
  http10_ = parser_->http10();
  if (!http10_ && !request.headers.contains("host"))
    return BadRequest(400, "HTTP/1.1 needs a Host");
  if (parser_->repeated_host()) return BadRequest(400, "one Host is allowed");
  // Also one that says nothing: what is in front may take it for more.
  if (request.headers.contains("transfer-encoding")) {
    if (http10_) return BadRequest(400, "HTTP/1.0 has no Transfer-Encoding");
    if (request.headers.contains("content-length"))
      return BadRequest(400, "a Transfer-Encoding and a Content-Length");
    if (!absl::EqualsIgnoreCase(request.Header("transfer-encoding"), "chunked"))
      return BadRequest(501, "Transfer-Encoding: chunked alone is taken");
  }
  if (const absl::Status parsed = ParseTarget(parser_->target(), &request); !parsed.ok())
    return BadRequest(400, parsed.message());
  auto next = host_->handler().OnHead(request);
  // A body that nobody reads: the connection cannot go on behind it.
  keep_ = parser_->keep_alive() && !host_->closing() && SteadyNow() - opened_ < host_->limits().age;
  const bool body = parser_->chunked() || parser_->content_length_remaining().value_or(0) > 0;
  if (const Answer* const answer = std::get_if<Answer>(&next)) {
    keep_ = keep_ && !body;
    return SendAndGoOn(*answer);
  }
  exchange_ = std::get<std::unique_ptr<Exchange>>(std::move(next));
  host_->OnBusy(1);
  parser_->set_max_body(exchange_->max_body());
  phase_ = Phase::kBody;
  body_since_ = SteadyNow();
  body_due_ = body_since_ + host_->limits().read;
  pace_ = {};
  SetTimer(host_->limits().read);
  if (const absl::Status fits = parser_->CheckAnnounced(); !fits.ok())
    return RefuseBody(fits, kTooLarge);
  // The body is looked at when this is written: one write at a time.
  if (body && !http10_ && absl::EqualsIgnoreCase(request.Header("expect"), "100-continue"))
    StartWrite({kContinue, "", ""}, [self = shared_from_this()](const error_code& error) {
      error ? self->Close() : self->Process();
    });
}

void Session::ProcessBody() {
  error_code error;
  const size_t before = position_;
  while (!parser_->is_done()) {
    if (position_ == unread_.size()) break;
    position_ += parser_->put(
        boost::asio::const_buffer(unread_.data() + position_, unread_.size() - position_), error);
    if (error == boost::beast::http::error::need_more) break;
    if (!parser_->refusal().ok())
      return RefuseBody(parser_->refusal(), parser_->too_large() ? kTooLarge : 0);
    if (error)
      return RefuseBody(
          absl::InvalidArgumentError(absl::StrCat("body: not HTTP/1.1: ", error.message())), 0);
  }
  if (parser_->is_done()) return Run();
  // A chunk's head that does not end.
  if (position_ == before && unread_.size() - position_ > input_.size())
    return RefuseBody(absl::InvalidArgumentError("body: the head of a chunk is too long"), 0);
  const absl::Duration pause = host_->limits().read;
  const absl::Time now = SteadyNow();
  if (pace_.GoesOn(parser_->body_bytes())) body_due_ = now + pause;
  const absl::Time slowest =
      body_since_ + 2 * pause + absl::Seconds(parser_->body_bytes() / kBodyRate);
  SetTimer(std::min(body_due_, slowest) - now);
}

void Session::BadRequest(int http_status, absl::string_view what) {
  keep_ = false;
  SendAndGoOn(host_->handler().OnBadRequest(http_status, what));
}

void Session::RefuseBody(const absl::Status& status, int http_status) {
  keep_ = false;
  const Answer answer = exchange_->Refuse(status, http_status);
  EndExchange();
  phase_ = Phase::kAnswering;  // Close() finds no request that waits for its body
  SendAndGoOn(answer);
}

// --- answering

std::string Session::HeadOf(int status, Fields headers) {
  headers.emplace_back(
      "Date", absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone()));
  if (!keep_ || host_->closing()) {
    keep_ = false;
    headers.emplace_back("Connection", "close");
  } else if (http10_) {
    headers.emplace_back("Connection", "keep-alive");
  }
  return FormatHead(status, headers);
}

void Session::SendAndGoOn(const Answer& answer) {
  if (writing_) return Close();  // not even "100 Continue" was taken
  phase_ = Phase::kAnswering;
  StopTimer();
  Fields headers = answer.headers;
  if (answer.status != 204)
    headers.emplace_back("Content-Length", absl::StrCat(answer.body.size()));
  text_ = HeadOf(answer.status, std::move(headers));
  if (!head_only_) text_ += answer.body;
  StartWrite({text_, "", ""}, [self = shared_from_this()](const error_code& error) {
    if (error) return self->Close();
    self->keep_ ? self->NextRequest() : self->Linger();
  });
}

void Session::NextRequest() {
  parser_.reset();
  started_ = finished_ = false;
  head_only_ = http10_ = false;  // of one that cannot be parsed nothing is known
  phase_ = Phase::kIdle;
  since_ = SteadyNow();
  if (host_->closing()) return Close();
  SetTimer(host_->limits().idle);
  Process();
}

void Session::Linger() {
  phase_ = Phase::kLinger;
  parser_.reset();
  std::string().swap(unread_);
  position_ = 0;
  transport_->ShutdownSend();
  SetTimer(kLingerTime);
  ArmRead();
}

void Session::Run() {
  phase_ = Phase::kRunning;
  StopTimer();
  const bool runs =
      host_->RunThread([self = shared_from_this(), body = parser_->TakeBody()]() mutable {
        self->exchange_->Run(std::move(body), self.get());
        boost::asio::post(*self->io_, [self] { self->OnRunDone(); });
      });
  if (!runs)
    RefuseBody(ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonQueueFull,
                               "too many calls at once", absl::Seconds(1)),
               0);
}

void Session::EndExchange() {
  exchange_.reset();
  host_->OnBusy(-1);
}

void Session::OnRunDone() {
  EndExchange();
  if (phase_ == Phase::kClosed) return;
  StopTimer();
  if (!finished_ || gone_) return Close();  // cut off: no last chunk, or less than its length
  keep_ ? NextRequest() : Linger();
}

}  // namespace hiif::server::http
