#include "server/metrics/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/file.h"

namespace hiif::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Fields of /proc/self/stat behind the command's name, which may hold spaces and parentheses.
std::vector<std::string> Stat() {
  std::ifstream file("/proc/self/stat");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const size_t end = all.rfind(')');
  if (end == std::string::npos || end + 2 > all.size()) return {};
  return absl::StrSplit(all.substr(end + 2), ' ');
}

double Field(const std::vector<std::string>& stat, int number) {
  // proc(5) counts from 1; the first one here is number 3.
  double value = 0;
  if (number - 3 < static_cast<int>(stat.size()) && absl::SimpleAtod(stat[number - 3], &value))
    return value;
  return 0;
}

double BootTime() {
  std::ifstream file("/proc/stat");
  std::string line;
  while (std::getline(file, line)) {
    absl::string_view rest = line;
    double value;
    if (absl::ConsumePrefix(&rest, "btime ") && absl::SimpleAtod(rest, &value)) return value;
  }
  return 0;
}

double OpenFiles() {
  std::error_code error;
  const size_t count = ListFolder("/proc/self/fd", error).size();
  return count == 0 ? 0 : static_cast<double>(count - 1);  // but for the folder itself
}

MetricFamily Family(const char* name, const char* help, MetricType type, double value) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  ClientMetric metric;
  metric.gauge.value = value;
  metric.counter.value = value;
  family.metric.push_back(metric);
  return family;
}

int64_t StatusKilobytes(absl::string_view key) {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, key)) continue;
    absl::ConsumeSuffix(&rest, "kB");
    int64_t value;
    if (absl::SimpleAtoi(absl::StripAsciiWhitespace(rest), &value)) return value;
  }
  return 0;
}

}  // namespace

std::vector<MetricFamily> ProcessMetrics() {
  const auto stat = Stat();
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  return {
      Family("process_cpu_seconds_total", "User and system time", MetricType::Counter,
             (Field(stat, 14) + Field(stat, 15)) / ticks),
      Family("process_resident_memory_bytes", "Memory in use", MetricType::Gauge,
             static_cast<double>(ResidentBytes())),
      Family("process_virtual_memory_bytes", "Address space", MetricType::Gauge, Field(stat, 23)),
      Family("process_open_fds", "Open files and sockets", MetricType::Gauge, OpenFiles()),
      Family("process_max_fds", "Limit of open files", MetricType::Gauge,
             static_cast<double>(files.rlim_cur)),
      Family("process_start_time_seconds", "Start, in seconds of the Unix epoch", MetricType::Gauge,
             BootTime() + Field(stat, 22) / ticks),
      Family("process_threads", "Threads", MetricType::Gauge, Field(stat, 20)),
  };
}

int64_t ResidentBytes() { return StatusKilobytes("VmRSS:") * 1024; }
int64_t PeakResidentBytes() { return StatusKilobytes("VmHWM:") * 1024; }

}  // namespace hiif::server
