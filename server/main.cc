#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/environment.h"
#include "base/lock_order.h"
#include "base/model_folder.h"
#include "base/stray_lines.h"
#include "server/application.h"
#include "server/config/config.h"
#include "server/logging/line_budget.h"
#include "server/logging/log.h"

namespace {

using hiif::server::LogLevel;

LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  return name == "error" ? LogLevel::kError : LogLevel::kInfo;
}

int Usage(const absl::Status& status) {
  std::fprintf(stderr, "hiif-server: %s\n", std::string(status.message()).c_str());
  return hiif::server::kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  hiif::TrustLockOrder();
  // Before any thread starts: the main thread alone takes these.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  auto parsed = hiif::server::ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc),
                                               &hiif::EnvironmentVariable);
  if (!parsed.ok()) return Usage(parsed.status());
  if (parsed->text) return std::fputs(parsed->text->c_str(), stdout) < 0 ? 1 : 0;
  if (const absl::Status valid = hiif::server::ValidateConfig(parsed->config); !valid.ok())
    return Usage(valid);
  if (parsed->print_config)
    return std::printf("%s", hiif::server::ConfigToJson(parsed->config).c_str()) < 0 ? 1 : 0;

  const hiif::StrayLines stray_lines(&hiif::server::LogStrayLine);
  hiif::server::StartLog(parsed->config.log_format() == "json",
                         LevelOf(parsed->config.log_level()));
  if (parsed->config.model_dir() == hiif::server::DefaultConfig().model_dir())
    parsed->config.set_model_dir(hiif::DefaultModelFolder());
  hiif::server::Application application(parsed->config);
  if (const auto failure = application.Start()) {
    hiif::server::LogError(failure->status.message());
    return failure->code;
  }
  return application.RunUntilSignal();
}
