#include "server/logging/line_budget.h"

#include <algorithm>

#include "base/steady_now.h"
#include "server/logging/log.h"

namespace hiif::server {

bool LineBudget::Take(absl::Time now, int64_t* left_out) {
  const int64_t second = absl::ToUnixSeconds(now);
  *left_out = 0;
  if (second_.exchange(second) != second) {
    *left_out = std::max<int64_t>(0, lines_.exchange(1) - kPerSecond);
    return true;
  }
  return ++lines_ <= kPerSecond;
}

void LogStrayLine(absl::string_view line) {
  static LineBudget budget;
  int64_t left_out = 0;
  if (!budget.Take(SteadyNow(), &left_out)) return;
  LogFields fields = {{"line", line}};
  if (left_out > 0) fields.emplace_back("left_out", left_out);
  LogWarning("a library printed", fields);
}

}  // namespace hiif::server
