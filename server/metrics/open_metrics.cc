#include "server/metrics/open_metrics.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "prometheus/labels.h"

namespace hiif::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Where the exponent is shown: from there on, and below 1e-4.
constexpr int kFixedExponents = 6;

std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}});
}

// {a="1",b="2"}; empty without any. le: of a bucket, or empty.
std::string LabelText(const std::vector<ClientMetric::Label>& labels, const std::string& le = "") {
  std::string text;
  for (const auto& label : labels)
    absl::StrAppend(&text, text.empty() ? "" : ",", label.name, "=\"", Escaped(label.value), "\"");
  if (!le.empty()) absl::StrAppend(&text, text.empty() ? "" : ",", "le=\"", le, "\"");
  return text.empty() ? "" : absl::StrCat("{", text, "}");
}

const char* TypeName(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Histogram:
      return "histogram";
    default:
      return "unknown";
  }
}

void AddHistogram(const std::string& name, const ClientMetric& metric, const Exemplars& exemplars,
                  std::string* text) {
  prometheus::Labels labels;
  for (const auto& label : metric.label) labels[label.name] = label.value;
  const auto& histogram = metric.histogram;
  for (size_t i = 0; i < histogram.bucket.size(); ++i) {
    absl::StrAppend(text, name, "_bucket",
                    LabelText(metric.label, CanonicalNumber(histogram.bucket[i].upper_bound)), " ",
                    histogram.bucket[i].cumulative_count);
    if (const auto exemplar = exemplars.Find(name, labels, i)) {
      // Not as other numbers: some readers take no exponent in a time.
      const double seconds = absl::ToDoubleSeconds(exemplar->time - absl::UnixEpoch());
      absl::StrAppend(text, " # {trace_id=\"", Escaped(exemplar->trace_id), "\"} ",
                      CanonicalNumber(exemplar->value), " ", absl::StrFormat("%.3f", seconds));
    }
    absl::StrAppend(text, "\n");
  }
  const std::string all = LabelText(metric.label);
  absl::StrAppend(text, name, "_count", all, " ", histogram.sample_count, "\n");
  absl::StrAppend(text, name, "_sum", all, " ", CanonicalNumber(histogram.sample_sum), "\n");
}

}  // namespace

bool AcceptsOpenMetrics(absl::string_view accept) {
  for (absl::string_view range : absl::StrSplit(accept, ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(range, ';');
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parts[0]),
                                "application/openmetrics-text"))
      continue;
    bool taken = true;
    for (size_t i = 1; i < parts.size(); ++i) {
      const absl::string_view parameter = absl::StripAsciiWhitespace(parts[i]);
      if (absl::StartsWithIgnoreCase(parameter, "version=") && parameter != "version=1.0.0")
        taken = false;
      if (parameter == "q=0" || parameter == "q=0.0") taken = false;
    }
    if (taken) return true;
  }
  return false;
}

std::string CanonicalNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> buffer;
  const auto write = [&](std::chars_format format) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr;
    return std::string(buffer.data(), end);
  };
  std::string scientific = write(std::chars_format::scientific);
  const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  if (exponent >= kFixedExponents || exponent < -4) return scientific;
  std::string fixed = write(std::chars_format::fixed);
  return absl::StrContains(fixed, '.') ? fixed : absl::StrCat(fixed, ".0");
}

std::string OpenMetricsText(const std::vector<MetricFamily>& families, const Exemplars& exemplars) {
  std::string text;
  for (const MetricFamily& family : families) {
    // A family is called without the suffix of its samples.
    const bool counts = family.type == MetricType::Counter;
    const std::string name(counts ? absl::StripSuffix(family.name, "_total") : family.name);
    absl::StrAppend(&text, "# TYPE ", name, " ", TypeName(family.type), "\n# HELP ", name, " ",
                    Escaped(family.help), "\n");
    for (const ClientMetric& metric : family.metric) {
      if (family.type == MetricType::Histogram) {
        AddHistogram(name, metric, exemplars, &text);
        continue;
      }
      absl::StrAppend(&text, name, counts ? "_total" : "", LabelText(metric.label), " ",
                      CanonicalNumber(counts ? metric.counter.value : metric.gauge.value), "\n");
    }
  }
  return absl::StrCat(text, "# EOF\n");
}

}  // namespace hiif::server
