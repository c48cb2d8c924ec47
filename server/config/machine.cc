#include "server/config/machine.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace hiif::server {
namespace {

// cgroup v1 says "no limit" with a number near 2^63.
constexpr int64_t kNoLimit = int64_t{1} << 60;

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

int AffinityCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

// The folders of a group and of those above it; inside a container the group's own path may not be
// there, then the root of the mount is the group.
std::vector<std::string> Ancestors(const std::string& mount, std::string group) {
  std::vector<std::string> folders;
  while (group.size() > 1) {
    folders.push_back(mount + group);
    group.resize(group.rfind('/'));
  }
  folders.push_back(mount);
  return folders;
}

void Tighten(double limit, double* value) {
  if (limit > 0 && (*value == 0 || limit < *value)) *value = limit;
}

void Tighten(int64_t limit, int64_t* value) {
  if (limit > 0 && limit < kNoLimit && (*value == 0 || limit < *value)) *value = limit;
}

// "max 100000" or "150000 100000".
double CpuMax(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  double quota, period;
  if (parts.size() < 2 || !absl::SimpleAtod(parts[0], &quota) ||
      !absl::SimpleAtod(parts[1], &period) || period <= 0)
    return 0;
  return quota / period;
}

int64_t Number(const std::string& text) {
  int64_t value = 0;
  return absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &value) ? value : 0;
}

void ReadGroup(const std::string& sys, absl::string_view line, MachineFacts* facts) {
  // hierarchy:controllers:path
  const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
  if (parts.size() != 3) return;
  const std::string cgroup = sys + "/fs/cgroup";
  if (parts[0] == "0") {
    for (const std::string& folder : Ancestors(cgroup, parts[2])) {
      Tighten(CpuMax(ReadText(folder + "/cpu.max")), &facts->cgroup_cpus);
      Tighten(Number(ReadText(folder + "/memory.max")), &facts->cgroup_memory_bytes);
    }
    return;
  }
  for (absl::string_view controller : absl::StrSplit(parts[1], ',')) {
    const std::string mount = absl::StrCat(cgroup, "/", controller);
    if (controller == "cpu") {
      for (const std::string& folder : Ancestors(mount, parts[2])) {
        const double quota = static_cast<double>(Number(ReadText(folder + "/cpu.cfs_quota_us")));
        const double period = static_cast<double>(Number(ReadText(folder + "/cpu.cfs_period_us")));
        if (quota > 0 && period > 0) Tighten(quota / period, &facts->cgroup_cpus);
      }
    } else if (controller == "memory") {
      for (const std::string& folder : Ancestors(mount, parts[2]))
        Tighten(Number(ReadText(folder + "/memory.limit_in_bytes")), &facts->cgroup_memory_bytes);
    }
  }
}

}  // namespace

MachineFacts ReadMachineFacts(const std::string& proc, const std::string& sys) {
  MachineFacts facts;
  facts.affinity_cpus = AffinityCpus();
  const std::string groups = ReadText(proc + "/self/cgroup");
  for (absl::string_view line : absl::StrSplit(groups, '\n', absl::SkipEmpty()))
    ReadGroup(sys, line, &facts);
  const std::string memory = ReadText(proc + "/meminfo");
  for (absl::string_view line : absl::StrSplit(memory, '\n')) {
    if (!absl::ConsumePrefix(&line, "MemTotal:")) continue;
    absl::ConsumeSuffix(&line, "kB");
    facts.total_memory_bytes = Number(std::string(line)) * 1024;
  }
  return facts;
}

Resources SizeResources(const config::v1::ServerConfig& config, const MachineFacts& facts) {
  Resources resources;
  double cpus = facts.affinity_cpus;
  if (facts.cgroup_cpus > 0) cpus = std::min(cpus, facts.cgroup_cpus);
  resources.workers =
      config.workers() > 0 ? config.workers() : std::max(1, static_cast<int>(std::floor(cpus)));
  int64_t memory = facts.total_memory_bytes;
  Tighten(facts.cgroup_memory_bytes, &memory);
  // Latent codes and contexts, most of what requests need, lie there.
  Tighten(facts.device_memory_bytes, &memory);
  if (memory <= 0) memory = int64_t{2} << 30;
  resources.memory_bytes = config.memory_bytes() > 0 ? config.memory_bytes() : memory / 4 * 3;
  resources.feature_cache_bytes =
      config.feature_cache_bytes() >= 0 ? config.feature_cache_bytes() : resources.memory_bytes / 4;
  resources.tiles_ahead =
      config.tiles_ahead() > 0 ? config.tiles_ahead() : std::max(4, 2 * resources.workers);
  return resources;
}

absl::Status CheckResources(const Resources& resources) {
  if (resources.feature_cache_bytes < resources.memory_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--feature-cache-bytes: ", resources.feature_cache_bytes, " leave nothing of the memory of ",
      resources.memory_bytes, " bytes for requests; give less, or more --memory-bytes"));
}

}  // namespace hiif::server
