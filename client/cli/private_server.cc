#include "client/cli/private_server.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/environment.h"
#include "base/error_text.h"
#include "base/file.h"
#include "base/model_folder.h"
#include "base/status_macros.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;

// What one's own machine may be asked for (a shared server has lower limits).
constexpr char kMaxInputPixels[] = "256000000";
constexpr char kMaxOutputPixels[] = "2000000000";

constexpr absl::Duration kStopGrace = absl::Seconds(3);

fs::path OwnFolder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path();
}

std::string Environment(const char* name) {
  const char* value = EnvironmentVariable(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<std::string> FindBinary() {
  const std::string named = Environment("HIIF_SERVER_BINARY");
  if (!named.empty()) {
    if (access(named.c_str(), X_OK) == 0) return named;
    return absl::UnavailableError(
        absl::StrCat("HIIF_SERVER_BINARY names ", named, ", which is not a program"));
  }
  std::vector<fs::path> folders = {OwnFolder()};
  for (const absl::string_view entry : absl::StrSplit(Environment("PATH"), ':', absl::SkipEmpty()))
    folders.emplace_back(std::string(entry));
  for (const fs::path& folder : folders) {
    const fs::path candidate = folder / "hiif-server";
    if (access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  return absl::UnavailableError(
      "no hiif-server beside this program or in PATH: name a running one with --server HOST:PORT, "
      "or the "
      "program with HIIF_SERVER_BINARY");
}

std::string FindModels() {
  const std::string named = Environment("HIIF_MODEL_DIR");
  return named.empty() ? InstalledModels() : named;
}

// "-1" and "0" as the upscalers before this one number devices.
std::string DeviceName(const std::string& device) {
  int number = 0;
  if (!absl::SimpleAtoi(device, &number)) return device;
  return number < 0 ? "cpu" : absl::StrCat("cuda:", number);
}

// A folder for a socket, whose path may have 107 bytes and no comma, which parts addresses: where
// that of the temporary files will not do, another one.
absl::StatusOr<std::string> MakeFolder() {
  constexpr size_t kMaxSocketPath = 107;
  constexpr absl::string_view kSocket = "/socket";
  std::error_code error;
  std::string tried;
  for (const std::string& parent :
       {fs::temp_directory_path(error).string(), Environment("XDG_RUNTIME_DIR"),
        std::string("/tmp"), std::string("/var/tmp")}) {
    std::string folder = (fs::path(parent) / "hiif-XXXXXX").string();
    if (parent.empty() || absl::StrContains(parent, ',') ||
        folder.size() + kSocket.size() > kMaxSocketPath)
      continue;
    if (mkdtemp(folder.data()) != nullptr) return folder;
    absl::StrAppend(&tried, tried.empty() ? "" : ", ", parent, ": ", ErrorText(errno));
  }
  return absl::UnavailableError(
      absl::StrCat("cannot make a temporary folder of at most 93 characters without a comma (",
                   tried, "); name one with TMPDIR"));
}

// The environment without HIIF_...: settings there are of another server, a service's perhaps, and
// what this one needs it gets as flags.
std::vector<char*> ServerEnvironment() {
  std::vector<char*> out;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!absl::StartsWith(*entry, "HIIF_")) out.push_back(*entry);
  out.push_back(nullptr);
  return out;
}

// In the child: only what is safe between fork and exec.
[[noreturn]] void Exec(std::vector<char*>& arguments, std::vector<char*>& environment, int log,
                       pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // died before the line above
  setpgid(0, 0);                        // Ctrl-C reaches the command, which stops its server
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execve(arguments[0], arguments.data(), environment.data());
  dprintf(STDERR_FILENO, "cannot start %s: %m\n", arguments[0]);
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PrivateServer>> PrivateServer::Start(
    const PrivateServerOptions& options) {
  auto server = std::unique_ptr<PrivateServer>(new PrivateServer);
  HIIF_ASSIGN_OR_RETURN(server->binary_, FindBinary());
  const std::string models = options.model_dir.empty() ? FindModels() : options.model_dir;

  HIIF_ASSIGN_OR_RETURN(const std::string folder, MakeFolder());
  server->folder_ = folder;

  std::vector<std::string> words = {server->binary_,
                                    "--listen",
                                    server->address(),
                                    "--management-listen",
                                    "",
                                    "--max-input-pixels",
                                    kMaxInputPixels,
                                    "--max-output-pixels",
                                    kMaxOutputPixels,
                                    "--decode-isolation",
                                    "none",  // the files are one's own
                                    "--shutdown-delay",
                                    "0s"};
  if (!models.empty()) words.insert(words.end(), {"--model-dir", models});
  if (!options.device.empty()) words.insert(words.end(), {"--device", DeviceName(options.device)});
  if (!options.default_model.empty())
    words.insert(words.end(), {"--default-model", options.default_model});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  const int log = open((folder + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::vector<char*> environment = ServerEnvironment();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) Exec(arguments, environment, log, parent);
  close(log);
  if (child < 0)
    return absl::UnavailableError(absl::StrCat("cannot start a process: ", ErrorText(errno)));
  absl::MutexLock lock(&server->mutex_);
  server->pid_ = child;
  return server;
}

PrivateServer::~PrivateServer() {
  absl::MutexLock lock(&mutex_);
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    const absl::Time deadline = absl::Now() + kStopGrace;
    while (waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (absl::Now() >= deadline) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        break;
      }
      absl::SleepFor(absl::Milliseconds(2));
    }
  }
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
}

std::string PrivateServer::address() const { return absl::StrCat("unix:", folder_, "/socket"); }

absl::Status PrivateServer::CheckAlive() {
  absl::MutexLock lock(&mutex_);
  int status = 0;
  if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == 0) return absl::OkStatus();
  if (pid_ > 0) {
    const std::string how = WIFSIGNALED(status)
                                ? absl::StrCat("was ended by signal ", WTERMSIG(status))
                                : absl::StrCat("stopped with exit code ", WEXITSTATUS(status));
    end_ = absl::StrCat("the private server (", binary_, ") ", how, LogTail());
    pid_ = -1;
  }
  return absl::UnavailableError(end_);
}

std::string PrivateServer::LogTail() const {
  const absl::StatusOr<std::string> log = ReadFile(folder_ + "/log");
  if (!log.ok() || log->empty()) return "";
  const size_t from = log->size() > 2000 ? log->find('\n', log->size() - 2000) + 1 : 0;
  return absl::StrCat("; the end of its log:\n", log->substr(from));
}

}  // namespace hiif::cli
