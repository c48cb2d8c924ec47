#include "jail/decoder_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error_text.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "jail/channel.h"

namespace hiif {
namespace {

constexpr int kChildSocket = 3;
// How often the task is looked at while it runs.
constexpr absl::Duration kTick = absl::Milliseconds(20);
constexpr absl::Duration kStart = absl::Seconds(20);
// Of answers' memory, and of the process' own, that is kept for the next picture.
constexpr int64_t kMostKept = int64_t{32} << 20;
// Of the message of an answer: metadata of a file, mostly.
constexpr int64_t kMaxAnswerBytes = int64_t{256} << 20;

// Address space of a process in bytes; 0: unknown.
int64_t AddressSpace(pid_t pid) {
  const std::string path = absl::StrCat("/proc/", pid, "/statm");
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return 0;
  long pages = 0;
  const bool read = std::fscanf(file, "%ld", &pages) == 1;
  std::fclose(file);
  return read ? int64_t{pages} * sysconf(_SC_PAGESIZE) : 0;
}

// Waits for a packet to read, or for the other end to close; false: the time is over.
bool Readable(int socket, absl::Duration timeout) {
  pollfd polled{socket, POLLIN, 0};
  return poll(&polled, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
}

// With no signal blocked or ignored, nothing of the environment but the path, and the socket alone
// beside the three standard descriptors: what the server inherited need not be closed on exec.
absl::StatusOr<pid_t> Spawn(const std::string& program, int socket) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const auto release = absl::MakeCleanup([&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  });
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, socket, kChildSocket);
  posix_spawn_file_actions_addclosefrom_np(&actions, kChildSocket + 1);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string name = program;
  std::string path = "PATH=/usr/bin:/bin";
  // What a large picture took goes back to the system at once.
  std::string arenas = "MALLOC_ARENA_MAX=1";
  std::string most = absl::StrCat("MALLOC_MMAP_THRESHOLD_=", kMostKept);
  std::string trim = absl::StrCat("MALLOC_TRIM_THRESHOLD_=", kMostKept);
  char* arguments[] = {name.data(), nullptr};
  char* environment[] = {path.data(), arenas.data(), most.data(), trim.data(), nullptr};
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, environment);
  if (error != 0)
    return absl::UnavailableError(absl::StrCat("cannot start ", program, ": ", ErrorText(error)));
  return pid;
}

const char* Reason(DecoderEnd end) {
  switch (end) {
    case DecoderEnd::kCrash:
      return "this file is damaged, or takes more memory than a picture of its size may: its "
             "decoder "
             "crashed";
    case DecoderEnd::kMemory:
      return "decoding this file takes more memory than a picture of its size may";
    case DecoderEnd::kTime:
      return "decoding this file takes longer than a picture of its size may";
    case DecoderEnd::kCancelled:
      return "nobody waits for this picture any more";
    case DecoderEnd::kIdle:
      return "the processes that decode pictures end by themselves: try again, or another server";
  }
  return "";
}

}  // namespace

const char* Name(DecoderEnd end) {
  switch (end) {
    case DecoderEnd::kCrash:
      return "CRASH";
    case DecoderEnd::kMemory:
      return "MEMORY";
    case DecoderEnd::kTime:
      return "TIME";
    case DecoderEnd::kCancelled:
      return "CANCELLED";
    case DecoderEnd::kIdle:
      return "IDLE";
  }
  return "";
}

absl::StatusOr<std::unique_ptr<DecoderProcess>> DecoderProcess::Start(
    const std::string& program, const IsCancelled& cancelled) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return absl::UnavailableError(absl::StrCat("no socket for a decoder: ", ErrorText(errno)));
  auto process = std::unique_ptr<DecoderProcess>(new DecoderProcess);
  process->socket_ = Descriptor(pair[0]);
  Descriptor child(pair[1]);
  // dup2 of a descriptor onto itself would leave it closed on exec.
  if (child.get() == kChildSocket) child = Descriptor(fcntl(child.get(), F_DUPFD_CLOEXEC, 4));
  HIIF_ASSIGN_OR_RETURN(process->pid_, Spawn(program, child.get()));
  child = Descriptor();
  process->alive_ = true;
  const absl::Time late = SteadyNow() + kStart;
  while (!Readable(process->socket_.get(), kTick)) {
    if (cancelled && cancelled()) return absl::CancelledError("a decoder is not wanted any more");
    if (SteadyNow() > late)
      return absl::UnavailableError(absl::StrCat(program, " does not answer"));
  }
  const absl::StatusOr<Packet> packet = ReceivePacket(process->socket_.get());
  if (!packet.ok())
    return absl::UnavailableError(absl::StrCat(program, " ends when it is started"));
  if (packet->bytes != "ready") return absl::UnavailableError(packet->bytes);
  process->idle_bytes_ = AddressSpace(process->pid_);
  return process;
}

DecoderProcess::~DecoderProcess() {
  if (alive_) Kill(DecoderEnd::kCancelled).IgnoreError();
}

absl::Status DecoderProcess::Kill(DecoderEnd why) {
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  alive_ = false;
  // So GLib ends a process that has no memory left.
  if (why == DecoderEnd::kCrash && WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP)
    why = DecoderEnd::kMemory;
  end_ = why;
  if (why == DecoderEnd::kCancelled) return absl::CancelledError(Reason(why));
  if (why == DecoderEnd::kIdle) return absl::UnavailableError(Reason(why));
  return absl::InvalidArgumentError(Reason(why));
}

absl::Duration DecoderProcess::Used() const {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0)
    return absl::ZeroDuration();
  return absl::DurationFromTimespec(time);
}

void DecoderProcess::SetLimits(int64_t memory_bytes, int64_t answer_bytes) const {
  // The soft limits, which the process cannot raise: it may not call setrlimit().
  const auto set = [this](__rlimit_resource resource, int64_t value) {
    rlimit limit{};
    if (prlimit(pid_, resource, nullptr, &limit) != 0) return;
    limit.rlim_cur = std::min<rlim_t>(static_cast<rlim_t>(value), limit.rlim_max);
    prlimit(pid_, resource, &limit, nullptr);
  };
  if (idle_bytes_ > 0) set(RLIMIT_AS, idle_bytes_ + memory_bytes);
  set(RLIMIT_FSIZE, answer_bytes);
}

absl::Status DecoderProcess::RenewMemory() {
  struct stat facts {};
  if (memory_ && fstat(memory_.get(), &facts) == 0 && facts.st_size <= kMostKept)
    return absl::OkStatus();
  memory_ = Descriptor();
  HIIF_ASSIGN_OR_RETURN(memory_, MakeMemory("hiif-answer"));
  if (fcntl(memory_.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot seal memory for a decoder: ", ErrorText(errno)));
}

absl::Status DecoderProcess::Wait(const TaskLimits& limits, const IsCancelled& cancelled) {
  const absl::Duration end = Used() + limits.processor_time;
  const absl::Time late = SteadyNow() + limits.time;
  while (!Readable(socket_.get(), kTick)) {
    if (cancelled && cancelled()) return Kill(DecoderEnd::kCancelled);
    if (Used() > end || SteadyNow() > late) return Kill(DecoderEnd::kTime);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> DecoderProcess::Run(const jail::v1::Task& task, const Descriptor& file,
                                            const TaskLimits& limits,
                                            const IsCancelled& cancelled) {
  HIIF_RETURN_IF_ERROR(RenewMemory());
  SetLimits(limits.memory_bytes, limits.answer_bytes);
  if (!SendPacket(socket_.get(), task.SerializeAsString(), {file.get(), memory_.get()}).ok())
    return Kill(DecoderEnd::kIdle);
  HIIF_RETURN_IF_ERROR(Wait(limits, cancelled));
  const absl::StatusOr<Packet> packet = ReceivePacket(socket_.get());
  if (!packet.ok()) return Kill(DecoderEnd::kCrash);
  int64_t size = 0;
  if (!absl::SimpleAtoi(packet->bytes, &size) || size > kMaxAnswerBytes)
    return Kill(DecoderEnd::kCrash);
  if (size < 0) return Kill(DecoderEnd::kMemory);
  return size;
}

}  // namespace hiif
