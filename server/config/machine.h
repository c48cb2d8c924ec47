// What this process may use of the machine: cores and memory, as affinity and cgroup allow.
#ifndef SERVER_CONFIG_MACHINE_H_
#define SERVER_CONFIG_MACHINE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "hiif/config/v1/config.pb.h"

namespace hiif::server {

// What the system says. Read from elsewhere in tests.
struct MachineFacts {
  int affinity_cpus = 1;            // CPUs the process may run on
  double cgroup_cpus = 0;           // quota / period; 0: no limit
  int64_t cgroup_memory_bytes = 0;  // 0: no limit
  int64_t total_memory_bytes = 0;
  int64_t device_memory_bytes = 0;  // of the GPU that models are on; 0: of none
};

// proc and sys: "/proc" and "/sys" but in tests. Reads cgroup v2 and v1, the strictest limit on the
// way up from the process's own group. What cannot be read counts as no limit.
MachineFacts ReadMachineFacts(const std::string& proc = "/proc", const std::string& sys = "/sys");

// How the server sizes itself.
struct Resources {
  int workers = 1;                  // compute threads
  int64_t memory_bytes = 0;         // for requests and caches, the host's and a GPU's together
  int64_t feature_cache_bytes = 0;  // thereof
  int tiles_ahead = 4;              // of one request
};

// Settings that are not 0 (feature_cache_bytes: not negative) win over the machine.
Resources SizeResources(const config::v1::ServerConfig& config, const MachineFacts& facts);
// InvalidArgument: they leave requests no memory, which would be taken for no limit.
absl::Status CheckResources(const Resources& resources);

}  // namespace hiif::server

#endif  // SERVER_CONFIG_MACHINE_H_
