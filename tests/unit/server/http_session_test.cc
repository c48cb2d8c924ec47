// One connection of the HTTP front over a transport that is not there.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "boost/asio/error.hpp"
#include "boost/asio/post.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/fronts/http/session.h"

namespace hiif::server::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// takes: whether the client reads.
class FakeTransport : public Transport {
 public:
  FakeTransport(boost::asio::io_context* io, bool takes) : io_(io), takes_(takes) {}

  void Receive(absl::string_view bytes) {
    ASSERT_TRUE(read_ != nullptr);
    ASSERT_LE(bytes.size(), size_);
    std::copy(bytes.begin(), bytes.end(), data_);
    std::exchange(read_, nullptr)({}, bytes.size());
  }
  const std::string& written() const { return written_; }

  void Handshake(Done done) override { done({}); }
  void AsyncRead(char* data, size_t size, Read done) override {
    data_ = data;
    size_ = size;
    read_ = std::move(done);
  }
  void AsyncWrite(const Pieces& pieces, Done done) override {
    if (!takes_) {
      write_ = std::move(done);
      return;
    }
    for (const absl::string_view piece : pieces) absl::StrAppend(&written_, piece);
    boost::asio::post(*io_, [done = std::move(done)] { done({}); });
  }
  void ShutdownSend() override {}
  void Close() override {
    boost::asio::post(
        *io_, [read = std::exchange(read_, nullptr), write = std::exchange(write_, nullptr)] {
          if (read) read(boost::asio::error::operation_aborted, 0);
          if (write) write(boost::asio::error::operation_aborted);
        });
  }

 private:
  boost::asio::io_context* const io_;
  const bool takes_;
  char* data_ = nullptr;
  size_t size_ = 0;
  Read read_;
  Done write_;
  std::string written_;
};

// Takes bodies of POST, and answers everything else at once.
class FakeHost : public SessionHost, public Handler {
 public:
  Handler& handler() override { return *this; }
  ByteBudget& bodies() override { return budget; }
  const SessionLimits& limits() const override { return times; }
  bool closing() const override { return false; }
  void OnBusy(int change) override { busy += change; }
  bool RunThread(std::function<void()>) override { return false; }
  void OnClosed(Session*) override { ++closed; }

  std::variant<Answer, std::unique_ptr<Exchange>> OnHead(const Request& request) override {
    if (request.method == "POST") return std::unique_ptr<Exchange>(new FakeExchange(this));
    return Answer{200, {}, "a page"};
  }
  Answer OnBadRequest(int http_status, absl::string_view) override {
    return {http_status, {}, "what is wrong"};
  }

  int busy = 0;
  int closed = 0;
  int refused = 0;
  SessionLimits times{absl::InfiniteDuration(), absl::InfiniteDuration(), absl::InfiniteDuration(),
                      absl::Milliseconds(10), absl::InfiniteDuration()};
  ByteBudget budget{1 << 20};

 private:
  struct FakeExchange : Exchange {
    explicit FakeExchange(FakeHost* host) : host(host) {}
    int64_t max_body() const override { return 1 << 20; }
    Answer Refuse(const absl::Status&, int) override {
      ++host->refused;
      return {408, {}, "refused"};
    }
    void Run(std::string, Responder*) override {}
    FakeHost* const host;
  };
};

class HttpSession : public testing::Test {
 protected:
  void Connect(bool takes) {
    auto transport = std::make_unique<FakeTransport>(&io_, takes);
    transport_ = transport.get();
    session_ = std::make_shared<Session>(&io_, std::move(transport), "192.0.2.1", &host_);
    session_->Start();
  }
  void Receive(absl::string_view bytes) {
    transport_->Receive(bytes);
    Poll();
  }
  // A body of which 80,000 bytes are here; then so many more every so often, for a time or until it
  // is refused.
  void Drip(size_t bytes, absl::Duration every, absl::Duration time) {
    host_.times.read = absl::Milliseconds(400);
    Connect(true);
    Receive("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n");
    for (int i = 0; i < 8; ++i) Receive(std::string(10000, 'x'));
    const absl::Time end = absl::Now() + time;
    while (absl::Now() < end && host_.refused == 0) {
      absl::SleepFor(every);
      Poll();
      if (host_.refused == 0) Receive(std::string(bytes, 'x'));
    }
  }
  void Poll() {
    io_.restart();
    io_.poll();
  }
  void TearDown() override {
    session_->Close();
    Poll();
    EXPECT_EQ(host_.busy, 0);
    EXPECT_EQ(host_.closed, 1);
  }

  boost::asio::io_context io_;
  FakeHost host_;
  FakeTransport* transport_ = nullptr;
  std::shared_ptr<Session> session_;
};

TEST_F(HttpSession, ABodyIsRefusedWhileContinueIsNotTaken) {
  Connect(false);
  transport_->Receive(
      "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  io_.restart();
  io_.run();  // until the read timeout has ended everything
  EXPECT_EQ(host_.refused, 1);
  EXPECT_EQ(host_.closed, 1);
}

TEST_F(HttpSession, AConnectionThatIsClosedWithinABodyRefusesIt) {
  Connect(false);
  transport_->Receive("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
  session_->Close();
  EXPECT_EQ(host_.refused, 1);
}

TEST_F(HttpSession, WhoHoldsMuchDoesNotKeepItByDripping) {
  Drip(1, absl::Milliseconds(20), absl::Seconds(5));
  EXPECT_EQ(host_.refused, 1);
  EXPECT_EQ(host_.busy, 0);
  EXPECT_THAT(transport_->written(), HasSubstr("408"));
  session_->Close();
  Poll();
  EXPECT_TRUE(host_.budget.Take(host_.budget.total())) << "the room is free again";
}

TEST_F(HttpSession, WhoBringsAPartOfWhatItHoldsGoesOn) {
  Drip(2000, absl::Milliseconds(20), absl::Seconds(2));
  EXPECT_EQ(host_.refused, 0);
}

TEST_F(HttpSession, ContinueIsForHttp11) {
  Connect(true);
  Receive("POST /x HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(transport_->written(), Not(HasSubstr("100 Continue")));
}

TEST_F(HttpSession, NothingOfARequestIsLeftForTheNext) {
  Connect(true);
  Receive("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(transport_->written(), EndsWith("\r\n\r\n"));
  Receive("nonsense\r\n\r\n");
  EXPECT_THAT(transport_->written(), EndsWith("what is wrong"));
}

}  // namespace
}  // namespace hiif::server::http
