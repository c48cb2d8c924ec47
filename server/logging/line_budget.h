// Lines of the log that others cause.
#ifndef SERVER_LOGGING_LINE_BUDGET_H_
#define SERVER_LOGGING_LINE_BUDGET_H_

#include <atomic>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace hiif::server {

// They are bounded: so many a second, and how many were left out. Any thread.
class LineBudget {
 public:
  static constexpr int64_t kPerSecond = 10;

  // Whether a line may be written now. left_out: of the seconds before, told with the first line
  // of a second.
  bool Take(absl::Time now, int64_t* left_out);

 private:
  std::atomic<int64_t> second_ = 0;
  std::atomic<int64_t> lines_ = 0;
};

// What a library, or a decoder's process, printed on standard error, as a warning.
void LogStrayLine(absl::string_view line);

}  // namespace hiif::server

#endif  // SERVER_LOGGING_LINE_BUDGET_H_
