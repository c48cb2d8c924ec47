// The part of a session that a request's own thread uses.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "boost/asio/error.hpp"
#include "boost/asio/post.hpp"
#include "server/errors/errors.h"
#include "server/fronts/http/session.h"

namespace hiif::server::http {

using boost::system::error_code;

namespace {

// The write timeout is for as much: a client that takes it in time may take as long as it likes.
constexpr size_t kSliceBytes = 64 << 10;

}  // namespace

void Session::StartWrite(const Transport::Pieces& pieces, Transport::Done done) {
  writing_ = true;
  const absl::Duration limit = host_->limits().write;
  if (limit < absl::InfiniteDuration()) {
    write_timer_.expires_after(absl::ToChronoMilliseconds(limit));
    const int64_t serial = ++write_serial_;
    write_timer_.async_wait([self = shared_from_this(), serial](const error_code& error) {
      if (error || !self->writing_ || serial != self->write_serial_) return;
      self->too_slow_ = true;
      self->transport_->Close();
    });
  }
  transport_->AsyncWrite(
      pieces, [self = shared_from_this(), done = std::move(done)](const error_code& error) {
        self->writing_ = false;
        self->write_timer_.cancel();
        if (error) self->Lost(error);
        done(error);
      });
}

absl::Status Session::WriteAndWait(Transport::Pieces pieces) {
  do {
    HIIF_RETURN_IF_ERROR(Alive());
    Transport::Pieces slice;
    size_t room = kSliceBytes;
    for (size_t i = 0; i < pieces.size(); ++i) {
      slice[i] = pieces[i].substr(0, room);
      room -= slice[i].size();
      pieces[i].remove_prefix(slice[i].size());
    }
    absl::Notification written;
    boost::asio::post(*io_, [&] {
      if (phase_ == Phase::kClosed) return written.Notify();
      StartWrite(slice, [&written](const error_code&) { written.Notify(); });
    });
    written.WaitForNotification();
  } while (!std::all_of(pieces.begin(), pieces.end(), [](auto piece) { return piece.empty(); }));
  return Alive();
}

absl::Status Session::Alive() const {
  if (too_slow_)
    return ErrorWithReason(
        absl::StatusCode::kDeadlineExceeded, kReasonSlowReader,
        absl::StrCat("nothing was read for ", absl::FormatDuration(host_->limits().write)));
  return gone_ ? absl::CancelledError("the client is gone") : absl::OkStatus();
}

void Session::Lost(const error_code& why) {
  // The system gave the connection up (AcceptorOptions::stalled): what was sent is not taken.
  if (why == boost::asio::error::timed_out && started_) too_slow_ = true;
  Gone();
}

void Session::Gone() {
  gone_ = true;
  CallWhenGone();
}

void Session::CallWhenGone() {
  absl::MutexLock lock(&mutex_);
  if (when_gone_) when_gone_();
}

void Session::WhenGone(std::function<void()> callback, absl::Time wake) {
  const bool set = callback != nullptr;
  {
    absl::MutexLock lock(&mutex_);
    when_gone_ = std::move(callback);
    if (set && gone_) when_gone_();
  }
  if (!set || wake == absl::InfiniteFuture()) return;
  boost::asio::post(*io_, [self = shared_from_this(), wake] {
    if (self->phase_ == Phase::kRunning) self->SetTimer(wake - SteadyNow());
  });
}

absl::Status Session::Send(const Answer& answer) {
  started_ = true;
  Fields headers = answer.headers;
  headers.emplace_back("Content-Length", absl::StrCat(answer.body.size()));
  HIIF_RETURN_IF_ERROR(WriteAndWait({HeadOf(answer.status, std::move(headers)), answer.body, ""}));
  finished_ = true;
  return absl::OkStatus();
}

absl::Status Session::Start(int status, const Fields& headers, absl::string_view trailers) {
  started_ = true;
  Fields all = headers;
  if (http10_) {
    keep_ = false;  // the end of the connection is the end of the body
  } else {
    all.emplace_back("Transfer-Encoding", "chunked");
    if (!trailers.empty()) all.emplace_back("Trailer", std::string(trailers));
  }
  return WriteAndWait({HeadOf(status, std::move(all)), "", ""});
}

absl::Status Session::Write(absl::string_view data) {
  if (data.empty()) return absl::OkStatus();  // an empty chunk would be the last one
  if (http10_) return WriteAndWait({data, "", ""});
  return WriteAndWait({absl::StrFormat("%x\r\n", data.size()), data, "\r\n"});
}

absl::Status Session::Finish(const Fields& trailers) {
  if (!http10_) {
    std::string last = "0\r\n";
    for (const auto& [name, value] : trailers) AppendField(name, value, &last);
    absl::StrAppend(&last, "\r\n");
    HIIF_RETURN_IF_ERROR(WriteAndWait({last, "", ""}));
  }
  finished_ = true;
  return absl::OkStatus();
}

}  // namespace hiif::server::http
