#include "jail/jail.h"

#include <asm/sockios.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/time/clock.h"
#include "imaging/bytes.h"
#include "imaging/container/png.h"
#include "imaging/probe.h"
#include "jail/confine.h"
#include "tests/unit/imaging/files.h"

namespace hiif {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string Program(const char* name) {
  return (fs::read_symlink("/proc/self/exe").parent_path() / ".." / name).lexically_normal();
}

const std::string& Decoder() {
  static const auto* path = new std::string(Program("bin/hiif-decoder"));
  return *path;
}

// A decoder that behaves as its name says, see bad_decoder_main.cc.
std::string BadDecoder(const std::string& mode) {
  static const auto* folder = new std::string(::testing::TempDir() + "/bad-decoders-XXXXXX");
  static char* made = mkdtemp(const_cast<char*>(folder->data()));
  const std::string path = std::string(made) + "/" + mode;
  std::error_code exists;
  fs::create_symlink(Program("tests/bad-decoder"), path, exists);
  return path;
}

struct Counted {
  std::atomic<int> crash = 0, memory = 0, time = 0, cancelled = 0;
  void operator()(DecoderEnd end) {
    ++(end == DecoderEnd::kCrash    ? crash
       : end == DecoderEnd::kMemory ? memory
       : end == DecoderEnd::kTime   ? time
                                    : cancelled);
  }
};

absl::StatusOr<Picture> DecodeBy(PictureOpener* opener, const std::string& bytes,
                                 DecodeOptions options = {}) {
  auto file = opener->Open(bytes);
  if (!file.ok()) return file.status();
  const auto info = (*file)->Probe(options.limits, options.frame, options.cancelled);
  if (!info.ok()) return info.status();
  return (*file)->Decode(*info, options);
}

TEST(Jail, DecodesWhatTheServerWouldDecode) {
  const auto jail = Jail::Start({.program = Decoder()}, nullptr);
  ASSERT_TRUE(jail.ok()) << jail.status();
  TrustingOpener trusting;
  const auto rgb = testing::Make<uint8_t>(61, 47, 3, testing::Pattern);
  const auto rgba = testing::Make<uint16_t>(
      33, 20, 4, [](int x, int y, int b) { return testing::Pattern(x, y, b) * 200.0; });
  for (const std::string& bytes :
       {testing::Save(rgb, ".jpg"), testing::Save(rgb, ".png"), testing::Save(rgba, ".png"),
        testing::Save(rgba, ".tif"), testing::Save(rgb, ".webp[lossless]"),
        testing::Save(rgb, ".avif")}) {
    const auto there = DecodeBy(jail->get(), bytes);
    const auto here = DecodeBy(&trusting, bytes);
    ASSERT_TRUE(there.ok()) << there.status();
    ASSERT_TRUE(here.ok());
    EXPECT_EQ(there->colour->samples, here->colour->samples);
    EXPECT_EQ(there->colour->type, here->colour->type);
    EXPECT_EQ(there->alpha.samples, here->alpha.samples);
    EXPECT_EQ(there->channels, here->channels);
    EXPECT_EQ(there->type, here->type);
    EXPECT_EQ(there->metadata.icc, here->metadata.icc);
    EXPECT_EQ(there->metadata.exif, here->metadata.exif);
    EXPECT_EQ(there->metadata.xmp, here->metadata.xmp);
    EXPECT_EQ(there->metadata.iptc, here->metadata.iptc);
    EXPECT_EQ(there->metadata.comment, here->metadata.comment);
    EXPECT_EQ(there->metadata.png_texts.size(), here->metadata.png_texts.size());
    EXPECT_EQ(there->metadata.turned, here->metadata.turned);
    EXPECT_EQ(there->metadata.warnings, here->metadata.warnings);
    EXPECT_EQ(there->metadata.ppi_x, here->metadata.ppi_x);
    EXPECT_EQ(there->orientation_applied, here->orientation_applied);
    EXPECT_EQ(there->warnings, here->warnings);
  }
}

TEST(Jail, ErrorsAreThoseOfImaging) {
  const auto jail = Jail::Start({.program = Decoder()}, nullptr);
  TrustingOpener trusting;
  for (const std::string& bytes :
       {std::string(), std::string("not a picture"),
        testing::Save(testing::Make<uint8_t>(90, 90, 3, testing::Pattern), ".png")
            .substr(0, 700)}) {
    const auto there = DecodeBy(jail->get(), bytes);
    EXPECT_EQ(there.status(), DecodeBy(&trusting, bytes).status());
    EXPECT_FALSE(there.ok());
  }
}

TEST(Jail, ManyAtOnce) {
  const auto jail = Jail::Start({.program = Decoder(), .decoders = 2}, nullptr);
  const std::string bytes =
      testing::Save(testing::Make<uint8_t>(61, 47, 3, testing::Pattern), ".jpg");
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 10; ++k) good += DecodeBy(jail->get(), bytes).ok();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 160);
}

TEST(Jail, AProcessThatIsTakenOverCostsItsPictureAlone) {
  const std::string bytes =
      testing::Save(testing::Make<uint8_t>(8, 8, 3, testing::Pattern), ".png");
  for (const char* mode : {"crash", "huge", "words", "short", "larger", "samples", "negative",
                           "probe-size", "probe-format", "probe-picture", "unavailable"}) {
    Counted counted;
    const auto jail =
        Jail::Start({.program = BadDecoder(mode)}, [&](DecoderEnd end) { counted(end); });
    ASSERT_TRUE(jail.ok()) << mode << jail.status();
    for (int i = 0; i < 3; ++i) {
      const auto picture = DecodeBy(jail->get(), bytes);
      EXPECT_FALSE(picture.ok()) << mode;
      EXPECT_THAT(picture.status().code(),
                  ::testing::AnyOf(absl::StatusCode::kInvalidArgument, absl::StatusCode::kInternal,
                                   absl::StatusCode::kDataLoss))
          << mode << picture.status();
    }
  }
}

TEST(Jail, TimeIsBounded) {
  Counted counted;
  const auto jail =
      Jail::Start({.program = BadDecoder("spin"), .max_decode_time = absl::Milliseconds(300)},
                  [&](DecoderEnd end) { counted(end); });
  const absl::Time start = absl::Now();
  const auto picture = DecodeBy(jail->get(), "x");
  EXPECT_EQ(picture.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(picture.status().message(), HasSubstr("longer"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
  EXPECT_EQ(counted.time, 1);
}

TEST(Jail, OneThatSleepsIsNotWaitedForForEver) {
  Counted counted;
  const auto jail = Jail::Start({.program = BadDecoder("sleep"),
                                 .max_decode_time = absl::Milliseconds(20),
                                 .patience = absl::Milliseconds(300)},
                                [&](DecoderEnd end) { counted(end); });
  const auto picture = DecodeBy(jail->get(), "x");
  EXPECT_EQ(picture.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(counted.time, 1);
}

TEST(Jail, CancellingKillsAtOnceAndTheNextIsServed) {
  Counted counted;
  const auto jail =
      Jail::Start({.program = BadDecoder("sleep")}, [&](DecoderEnd end) { counted(end); });
  for (int i = 0; i < 3; ++i) {
    const absl::Time end = absl::Now() + absl::Milliseconds(100);
    DecodeOptions options;
    options.cancelled = [end] { return absl::Now() > end; };
    EXPECT_TRUE(absl::IsCancelled(DecodeBy(jail->get(), "x", options).status()));
  }
  EXPECT_GE(counted.cancelled, 2) << "the third may have waited for a new process";
}

TEST(Jail, MemoryIsBounded) {
  // 20,000 x 20,000 grey pixels that compress to nothing: legal, and more than its task may take.
  Counted counted;
  const auto jail = Jail::Start({.program = Decoder()}, [&](DecoderEnd end) { counted(end); });
  const auto file =
      (*jail)->Open(testing::Save(vips::VImage::black(6000, 6000), ".png[compression=9]"));
  ASSERT_TRUE(file.ok());
  auto info = (*file)->Probe({}, std::nullopt, nullptr);
  ASSERT_TRUE(info.ok()) << info.status();
  info->size = info->stored = {16, 16};  // what a header that lies would have promised
  DecodeOptions options;
  const auto picture = (*file)->Decode(*info, options);
  EXPECT_FALSE(picture.ok());
  const std::string good = testing::Save(testing::Make<uint8_t>(9, 9, 3, testing::Pattern), ".png");
  EXPECT_TRUE(DecodeBy(jail->get(), good).ok()) << "the next picture";
}

// Colours in linear light become floats, four times what the file has.
TEST(Jail, LargePicturesInLinearLightHaveTheMemoryTheyTake) {
  std::string gamma;
  AppendBigEndian(100000, 4, &gamma);
  const std::string chunk = MakePngChunk("gAMA", gamma);
  const auto jail = Jail::Start({.program = Decoder()}, nullptr);
  for (const int bands : {3, 4}) {
    std::string png =
        testing::Save(vips::VImage::black(4000, 3000, vips::VImage::option()->set("bands", bands)),
                      ".png[compression=1]");
    png.insert(33, chunk);
    const auto picture = DecodeBy(jail->get(), png);
    ASSERT_TRUE(picture.ok()) << picture.status();
    EXPECT_TRUE(picture->linear);
    const auto info = Probe(png);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(picture->colour->samples.size() + picture->alpha.samples.size(), PictureBytes(*info));
  }
}

TEST(Jail, SaysWhyItCannotStart) {
  EXPECT_THAT(Jail::Start({.program = "/no/such/program"}, nullptr).status().message(),
              HasSubstr("/no/such/program"));
  EXPECT_THAT(Jail::Start({.program = BadDecoder("unconfined")}, nullptr).status().message(),
              HasSubstr("seccomp"));
  EXPECT_FALSE(Jail::Start({.program = "/bin/false"}, nullptr).ok());
}

TEST(Confine, LeavesMemoryAndThreadsAndNothingElse) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (!Confine().ok()) _exit(1);
    if (open("/etc/passwd", O_RDONLY) >= 0) _exit(2);
    if (open("/tmp/x", O_WRONLY | O_CREAT, 0600) >= 0) _exit(3);
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0) _exit(4);
    if (fork() >= 0) _exit(5);
    char* arguments[] = {const_cast<char*>("/bin/true"), nullptr};
    execv("/bin/true", arguments);
    if (kill(getppid(), 0) == 0) _exit(6);
    // Every other way to send a signal to the server.
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    if (syscall(SYS_tgkill, getppid(), getppid(), 0) == 0) _exit(8);
    if (syscall(SYS_tkill, getppid(), 0) == 0) _exit(9);
    if (syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info) == 0) _exit(10);
    if (syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), 0, &info) == 0) _exit(11);
    const f_owner_ex owner{F_OWNER_PID, getppid()};
    if (fcntl(ends[0], F_SETOWN, getppid()) == 0) _exit(12);
    if (fcntl(ends[0], F_SETOWN_EX, &owner) == 0) _exit(13);
    if (fcntl(ends[0], F_SETSIG, SIGKILL) == 0) _exit(14);
    const int parent = getppid();
    if (ioctl(ends[0], FIOSETOWN, &parent) == 0) _exit(15);
    if (ioctl(ends[0], SIOCSPGRP, &parent) == 0) _exit(16);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (sched_setaffinity(getppid(), sizeof(one), &one) == 0) _exit(17);
    // To itself: what abort() does.
    signal(SIGUSR1, SIG_IGN);
    if (raise(SIGUSR1) != 0) _exit(18);
    std::thread([] {}).join();
    std::string memory(1 << 24, 'x');
    _exit(memory.size() == 1 << 24 ? 0 : 7);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
}

}  // namespace
}  // namespace hiif
