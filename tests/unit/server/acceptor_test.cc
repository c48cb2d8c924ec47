#include "server/fronts/acceptor.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace hiif::server {
namespace {

// Keeps what it is given.
class Taker {
 public:
  explicit Taker(const AcceptorOptions& options)
      : socket_((*Listen(*ParseAddress("127.0.0.1:0")))[0]),
        acceptor_(options, {{socket_, [this](int fd) { Take(fd); }}},
                  [this](absl::string_view) { ++refused_; }) {}
  ~Taker() {
    acceptor_.Stop();
    CloseAll();
  }

  int Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<uint16_t>(socket_.address.port));
    inet_pton(AF_INET, "127.0.0.1", &name.sin_addr);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
    return fd;
  }
  bool WaitFor(int taken, int refused) {
    for (int i = 0; i < 500; ++i) {
      if (this->taken() == taken && refused_ == refused) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }
  int taken() {
    absl::MutexLock lock(&mutex_);
    return static_cast<int>(fds_.size());
  }
  void CloseAll() {
    absl::MutexLock lock(&mutex_);
    for (const int fd : fds_) close(fd);
    fds_.clear();
  }
  Acceptor& acceptor() { return acceptor_; }

 private:
  void Take(int fd) {
    absl::MutexLock lock(&mutex_);
    fds_.push_back(fd);
  }

  absl::Mutex mutex_;
  std::vector<int> fds_;
  std::atomic<int> refused_ = 0;
  const ListeningSocket socket_;
  Acceptor acceptor_;
};

TEST(Acceptor, ClosesWhatIsTooMuchAndForgetsWhatIsGone) {
  Taker taker({.max_connections = 2});  // this machine's own may be eight more
  std::vector<int> clients;
  for (int i = 0; i < 15; ++i) clients.push_back(taker.Connect());
  EXPECT_TRUE(taker.WaitFor(10, 5));
  taker.CloseAll();
  for (const int fd : clients) close(fd);
  for (int i = 0; i < 300 && taker.acceptor().connections() > 0; ++i) {  // a sweep each second
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(taker.acceptor().connections(), 0);
  const int again = taker.Connect();
  EXPECT_TRUE(taker.WaitFor(1, 5));
  close(again);
}

TEST(Listen, SaysWhatIsInTheWay) {
  const auto first = Listen(*ParseAddress("127.0.0.1:0"));
  ASSERT_TRUE(first.ok());
  const auto second = Listen((*first)[0].address);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), ::testing::HasSubstr("in use"));
  close((*first)[0].fd);
  EXPECT_FALSE(Listen(*ParseAddress("no-such-host.invalid:0")).ok());
  EXPECT_FALSE(Listen(*ParseAddress("203.0.113.7:0")).ok()) << "not an address of this machine";
}

TEST(Listen, ReplacesASocketThatIsDeadAndNothingElse) {
  const std::string path = ::testing::TempDir() + "/listen-" + std::to_string(getpid());
  const auto address = ParseAddress("unix:" + path);
  std::ofstream(path) << "weights";
  EXPECT_THAT(Listen(*address).status().message(), ::testing::HasSubstr("no socket"));
  std::string kept;
  std::ifstream(path) >> kept;
  EXPECT_EQ(kept, "weights");
  ASSERT_EQ(symlink("/etc/hostname", (path + "-link").c_str()), 0);
  EXPECT_FALSE(Listen(*ParseAddress("unix:" + path + "-link")).ok());
  unlink((path + "-link").c_str());
  unlink(path.c_str());

  const auto first = Listen(*address);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(Listen(*address).status().message(), ::testing::HasSubstr("a server runs"));
  close((*first)[0].fd);  // the file stays
  const auto second = Listen(*address);
  ASSERT_TRUE(second.ok()) << second.status();
  close((*second)[0].fd);
  unlink(path.c_str());
}

TEST(Listen, LoopbackIsAnAddressNotAName) {
  for (const char* text : {"127.0.0.1:1", "127.200.3.4:1", "[::1]:1", "localhost:1", "unix:/x"})
    EXPECT_TRUE(ParseAddress(text)->loopback()) << text;
  for (const char* text : {"127.example.org:1", "127.0.0.1.example.org:1", "0.0.0.0:1", "[::]:1",
                           "localhost.example.org:1", "10.0.0.1:1"})
    EXPECT_FALSE(ParseAddress(text)->loopback()) << text;
}

}  // namespace
}  // namespace hiif::server
