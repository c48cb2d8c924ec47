#include "server/metrics/open_metrics.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(OpenMetrics, NumbersAreCanonical) {
  EXPECT_EQ(CanonicalNumber(0), "0.0");
  EXPECT_EQ(CanonicalNumber(1), "1.0");
  EXPECT_EQ(CanonicalNumber(-2.5), "-2.5");
  EXPECT_EQ(CanonicalNumber(0.005), "0.005");
  EXPECT_EQ(CanonicalNumber(0.00001), "1e-05");
  EXPECT_EQ(CanonicalNumber(524288), "524288.0");
  EXPECT_EQ(CanonicalNumber(4194304), "4.194304e+06");
  EXPECT_EQ(CanonicalNumber(1e300), "1e+300");
  EXPECT_EQ(CanonicalNumber(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(CanonicalNumber(-std::numeric_limits<double>::infinity()), "-Inf");
  EXPECT_EQ(CanonicalNumber(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

TEST(OpenMetrics, IsWrittenForThoseWhoAsk) {
  EXPECT_TRUE(AcceptsOpenMetrics("application/openmetrics-text"));
  EXPECT_TRUE(AcceptsOpenMetrics(
      "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"));
  EXPECT_TRUE(AcceptsOpenMetrics("text/plain, Application/OpenMetrics-Text; version=1.0.0"));
  EXPECT_FALSE(AcceptsOpenMetrics(""));
  EXPECT_FALSE(AcceptsOpenMetrics("*/*"));
  EXPECT_FALSE(AcceptsOpenMetrics(";;,,;"));
  EXPECT_FALSE(AcceptsOpenMetrics("application/openmetrics-text;version=0.0.1"));
  EXPECT_FALSE(AcceptsOpenMetrics("application/openmetrics-text;q=0"));
}

TEST(OpenMetrics, EachBucketHasItsLastTracedRequest) {
  prometheus::MetricFamily family;
  family.name = "taken_seconds";
  family.help = "two\nlines";
  family.type = prometheus::MetricType::Histogram;
  family.metric.resize(1);
  family.metric[0].label = {{"code", "\"O\\K\""}};
  family.metric[0].histogram = {
      3, 2.75, {{1, 0.5}, {3, 2}, {3, std::numeric_limits<double>::infinity()}}};
  Exemplars exemplars;
  const std::vector<double> bounds = {0.5, 2};
  const prometheus::Labels labels = {{"code", "\"O\\K\""}};
  exemplars.Observe("taken_seconds", labels, bounds, {"aa", 0.5, absl::FromUnixSeconds(10)});
  exemplars.Observe("taken_seconds", labels, bounds, {"bb", 1.5, absl::FromUnixSeconds(11)});
  exemplars.Observe("taken_seconds", labels, bounds, {"cc", 0.75, absl::FromUnixSeconds(12)});
  exemplars.Observe("other_seconds", labels, bounds, {"dd", 3, absl::FromUnixSeconds(13)});
  EXPECT_EQ(
      OpenMetricsText({family}, exemplars),
      "# TYPE taken_seconds histogram\n# HELP taken_seconds two\\nlines\n"
      "taken_seconds_bucket{code=\"\\\"O\\\\K\\\"\",le=\"0.5\"} 1 # {trace_id=\"aa\"} 0.5 10.000\n"
      "taken_seconds_bucket{code=\"\\\"O\\\\K\\\"\",le=\"2.0\"} 3 # {trace_id=\"cc\"} 0.75 12.000\n"
      "taken_seconds_bucket{code=\"\\\"O\\\\K\\\"\",le=\"+Inf\"} 3\n"
      "taken_seconds_count{code=\"\\\"O\\\\K\\\"\"} 3\n"
      "taken_seconds_sum{code=\"\\\"O\\\\K\\\"\"} 2.75\n# EOF\n");
}

TEST(OpenMetrics, CountersLoseTheirSuffixInTheFamilysName) {
  prometheus::MetricFamily family;
  family.name = "tiles_total";
  family.help = "Tiles";
  family.type = prometheus::MetricType::Counter;
  family.metric.resize(1);
  family.metric[0].counter.value = 7;
  const std::string text = OpenMetricsText({family}, Exemplars());
  EXPECT_THAT(text, HasSubstr("# TYPE tiles counter\n"));
  EXPECT_THAT(text, HasSubstr("\ntiles_total 7.0\n"));
  EXPECT_THAT(text, EndsWith("# EOF\n"));
}

}  // namespace
}  // namespace hiif::server
