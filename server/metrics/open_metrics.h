// The exposition of OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec), the
// one that has exemplars; prometheus-cpp writes the older format only.
#ifndef SERVER_METRICS_OPEN_METRICS_H_
#define SERVER_METRICS_OPEN_METRICS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "prometheus/metric_family.h"
#include "server/metrics/exemplars.h"

namespace hiif::server {

inline constexpr char kOpenMetricsType[] =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// Whether a scraper that sends this Accept header takes it.
bool AcceptsOpenMetrics(absl::string_view accept);

// Counters, gauges and histograms. Names of counters end in _total.
std::string OpenMetricsText(const std::vector<prometheus::MetricFamily>& families,
                            const Exemplars& exemplars);

// As the specification and Go write it: "0.005", "1.0", "4.194304e+06", "+Inf", "NaN".
std::string CanonicalNumber(double value);

}  // namespace hiif::server

#endif  // SERVER_METRICS_OPEN_METRICS_H_
