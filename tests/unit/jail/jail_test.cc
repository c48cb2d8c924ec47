#include "jail/jail.h"

#include <asm/sockios.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
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
  std::atomic<int> crash = 0, memory = 0, time = 0, cancelled = 0, idle = 0;
  void operator()(DecoderEnd end) {
    ++(end == DecoderEnd::kCrash    ? crash
       : end == DecoderEnd::kMemory ? memory
       : end == DecoderEnd::kTime   ? time
       : end == DecoderEnd::kIdle   ? idle
                                    : cancelled);
  }
};

// Whether it holds within a minute.
template <typename Holds>
bool Soon(const Holds& holds) {
  const absl::Time end = absl::Now() + absl::Minutes(1);
  while (!holds() && absl::Now() < end) absl::SleepFor(absl::Milliseconds(10));
  return holds();
}

// Processes that this one started, whichever thread it was.
std::set<pid_t> Children() {
  std::set<pid_t> pids;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "children");
    for (pid_t pid; file >> pid;) pids.insert(pid);
  }
  return pids;
}

// Options of a decoding that is given up after a minute, as a call with a deadline.
DecodeOptions Patient() {
  DecodeOptions options;
  options.cancelled = [end = absl::Now() + absl::Minutes(1)] { return absl::Now() > end; };
  return options;
}

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
    EXPECT_EQ(there->metadata.sideways, here->metadata.sideways);
    EXPECT_EQ(there->metadata.srgb, here->metadata.srgb);
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
    const absl::Time end = absl::Now() + absl::Seconds(1);
    DecodeOptions options;
    options.cancelled = [end] { return absl::Now() > end; };
    EXPECT_TRUE(absl::IsCancelled(DecodeBy(jail->get(), "x", options).status()));
  }
  EXPECT_GE(counted.cancelled, 2) << "the third may have waited for a new process";
}

TEST(Jail, AFileIsNotBlamedForProcessesThatDiedIdle) {
  Counted counted;
  const auto jail =
      Jail::Start({.program = Decoder(), .probers = 4}, [&](DecoderEnd end) { counted(end); });
  const std::string bytes =
      testing::Save(testing::Make<uint8_t>(9, 9, 3, testing::Pattern), ".png");
  // The one for pixels is started last.
  ASSERT_TRUE(DecodeBy(jail->get(), bytes, Patient()).ok());
  ASSERT_EQ(Children().size(), 5u);
  for (const pid_t pid : Children()) {
    kill(pid, SIGKILL);
    siginfo_t info;
    ASSERT_EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
  }
  for (int i = 0; i < 8; ++i) {
    const auto picture = DecodeBy(jail->get(), bytes, Patient());
    EXPECT_TRUE(picture.ok()) << picture.status();
  }
  EXPECT_GE(counted.idle, 2) << "one for headers, one for pixels";
  EXPECT_EQ(counted.crash, 0);
}

TEST(Jail, WithoutItsProgramItRefusesUntilItIsBack) {
  const std::string program = BadDecoder("crash");
  absl::Mutex mutex;
  std::vector<absl::Status> told;
  const auto times_told = [&] {
    absl::MutexLock lock(&mutex);
    return told.size();
  };
  const auto jail = Jail::Start({.program = program}, nullptr, [&](const absl::Status& status) {
    absl::MutexLock lock(&mutex);
    told.push_back(status);
  });
  ASSERT_TRUE(jail.ok()) << jail.status();
  ASSERT_TRUE(absl::IsInvalidArgument(DecodeBy(jail->get(), "x", Patient()).status()));
  fs::rename(program, program + "-away");
  absl::Status status;
  do {  // one that was started before may be there yet
    status = DecodeBy(jail->get(), "x", Patient()).status();
  } while (absl::IsInvalidArgument(status));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.message(), ::testing::Not(HasSubstr(program)));
  EXPECT_FALSE((*jail)->Serves());
  ASSERT_TRUE(Soon([&] { return times_told() == 1; }));
  fs::rename(program + "-away", program);
  EXPECT_TRUE(Soon([&] { return times_told() == 2; }));
  EXPECT_TRUE((*jail)->Serves());
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeBy(jail->get(), "x", Patient()).status()));
  absl::MutexLock lock(&mutex);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_THAT(told[0].message(), HasSubstr(program));
  EXPECT_TRUE(told[1].ok());
}

TEST(Jail, EndsWhileAProcessIsStarted) {
  const std::string program = BadDecoder("replaced");
  const std::string silent = BadDecoder("silent-script");
  fs::remove(silent);
  std::ofstream(silent) << "#!/bin/sh\nexec sleep 1000\n";
  fs::permissions(silent, fs::perms::owner_all);
  // So many that it cannot have started them all before the next is silent.
  auto jail = Jail::Start({.program = program, .decoders = 50}, nullptr);
  ASSERT_TRUE(jail.ok()) << jail.status();
  fs::rename(silent, program);
  absl::SleepFor(absl::Milliseconds(500));
  const absl::Time start = absl::Now();
  jail->reset();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10)) << "a start is waited for for 20 s";
  fs::remove(program);
}

TEST(Jail, ProcessesHaveTheirSocketAlone) {
  const int inherited = open("/dev/null", O_RDONLY);  // not closed on exec
  ASSERT_GE(inherited, 0);
  const auto jail = Jail::Start({.program = Decoder()}, nullptr);
  ASSERT_TRUE(jail.ok()) << jail.status();
  ASSERT_TRUE(DecodeBy(jail->get(),
                       testing::Save(testing::Make<uint8_t>(9, 9, 3, testing::Pattern), ".png"))
                  .ok());
  for (const pid_t pid : Children()) {
    const auto descriptors = [pid] {
      std::set<std::string> names;
      for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
        names.insert(entry.path().filename());
      return names;
    };
    // Those of a picture are closed behind its answer.
    EXPECT_TRUE(Soon([&] {
      return descriptors() == std::set<std::string>{"0", "1", "2", "3"};
    })) << ::testing::PrintToString(descriptors());
  }
  close(inherited);
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

// Calls with arguments of no use: denied, they say so before they look at them.
constexpr long kDenied[] = {
#ifdef SYS_utime
    SYS_utime,     SYS_utimes,        SYS_futimesat,
#endif
    SYS_utimensat, SYS_removexattr,   SYS_lremovexattr, SYS_fremovexattr, SYS_setxattr,
    SYS_lsetxattr, SYS_fsetxattr,     SYS_fchmod,       SYS_fchmodat,     SYS_fchown,
    SYS_fchownat,  SYS_swapon,        SYS_swapoff,      SYS_kexec_load,   SYS_kexec_file_load,
    SYS_mount,     SYS_mount_setattr, SYS_fsconfig,     SYS_quotactl,     SYS_quotactl_fd,
    SYS_mq_open,   SYS_mq_unlink,     SYS_msgget,       SYS_msgctl,       SYS_msgsnd,
    SYS_msgrcv,    SYS_semget,        SYS_semctl,       SYS_semop,        SYS_semtimedop,
    SYS_shmget,    SYS_shmat,         SYS_shmctl,       SYS_sethostname,  SYS_setdomainname,
    SYS_setfsuid,  SYS_setfsgid,      SYS_setsid,
    452,  // fchmodat2
    463,  // setxattrat
    466,  // removexattrat
    467,  // open_tree_attr
    469,  // file_setattr
};

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
    for (const long call : kDenied) {
      errno = 0;
      if (syscall(call, -1, nullptr, nullptr, 0, 0, 0) >= 0 || errno != EACCES) {
        dprintf(2, "system call %ld is left\n", call);
        _exit(19);
      }
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, capabilities) != 0) _exit(20);
    for (const auto& part : capabilities)
      if ((part.effective | part.permitted | part.inheritable) != 0) _exit(21);
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
