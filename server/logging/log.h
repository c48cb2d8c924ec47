// Log lines with fields, as text or as one JSON object a line, on standard error.
#ifndef SERVER_LOGGING_LOG_H_
#define SERVER_LOGGING_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace hiif::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// A name and a value; numbers stay numbers in JSON. Of a text the first kilobyte is kept.
struct LogField {
  LogField(absl::string_view called, absl::string_view text);
  LogField(absl::string_view called, const char* text)
      : LogField(called, absl::string_view(text)) {}
  LogField(absl::string_view called, const std::string& text)
      : LogField(called, absl::string_view(text)) {}
  LogField(absl::string_view called, int64_t number);
  LogField(absl::string_view called, int number) : LogField(called, int64_t{number}) {}
  LogField(absl::string_view called, double number);
  LogField(absl::string_view called, bool yes);

  std::string name;
  std::string value;
  bool quoted = true;
};

using LogFields = std::vector<LogField>;

// Once, from the main thread. level: the least that is written.
void StartLog(bool json, LogLevel level);

// Any thread. The line is flushed from warnings on, else within a second.
void Log(LogLevel level, absl::string_view message, const LogFields& fields = {});

inline void LogInfo(absl::string_view message, const LogFields& fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(absl::string_view message, const LogFields& fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(absl::string_view message, const LogFields& fields = {}) {
  Log(LogLevel::kError, message, fields);
}

// The line without its time, for tests: "message name=value" or the JSON members behind the time.
std::string FormatLog(bool json, LogLevel level, absl::string_view message,
                      const LogFields& fields);

}  // namespace hiif::server

#endif  // SERVER_LOGGING_LOG_H_
