// The process's own figures from /proc/self, under the names Prometheus clients use.
#ifndef SERVER_METRICS_PROCESS_H_
#define SERVER_METRICS_PROCESS_H_

#include <cstdint>
#include <vector>

#include "prometheus/metric_family.h"

namespace hiif::server {

// process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes,
// process_open_fds, process_max_fds, process_start_time_seconds, process_threads.
std::vector<prometheus::MetricFamily> ProcessMetrics();

// Resident memory now, and the most it ever was.
int64_t ResidentBytes();
int64_t PeakResidentBytes();

}  // namespace hiif::server

#endif  // SERVER_METRICS_PROCESS_H_
