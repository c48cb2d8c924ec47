#include "server/logging/log.h"

#include <atomic>
#include <cmath>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/stray_lines.h"
#include "base/text.h"
#include "nlohmann/json.hpp"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace hiif::server {
namespace {

// Of standard error as it was before the libraries' lines were taken from it.
using ConsoleSink = spdlog::sinks::stdout_sink_base<spdlog::details::console_mutex>;

std::atomic<bool> log_json = false;
// Of one value: a client may send megabytes where a name is expected.
constexpr size_t kMaxValueBytes = 1024;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

const char* Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "";
}

// A JSON string. Bytes that are not UTF-8 (a client may send any) are replaced.
std::string Quote(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool NeedsQuotes(absl::string_view text) {
  for (const unsigned char c : text)
    if (c <= ' ' || c == '"' || c == '=' || c >= 0x7f) return true;
  return text.empty();
}

}  // namespace

LogField::LogField(absl::string_view called, absl::string_view text)
    : name(called), value(Shorten(text, kMaxValueBytes)) {}
LogField::LogField(absl::string_view called, int64_t number)
    : name(called), value(absl::StrCat(number)), quoted(false) {}
LogField::LogField(absl::string_view called, double number)
    : name(called), value(std::isfinite(number) ? absl::StrCat(number) : "null"), quoted(false) {}
LogField::LogField(absl::string_view called, bool yes)
    : name(called), value(yes ? "true" : "false"), quoted(false) {}

std::string FormatLog(bool json, LogLevel level, absl::string_view message,
                      const LogFields& fields) {
  std::string line;
  if (json) {
    line = absl::StrCat("\"level\":\"", Name(level),
                        "\",\"message\":", Quote(Shorten(message, kMaxValueBytes)));
    for (const LogField& field : fields)
      absl::StrAppend(&line, ",", Quote(field.name), ":",
                      field.quoted ? Quote(field.value) : field.value);
    return line;
  }
  line = Shorten(message, kMaxValueBytes);
  for (const LogField& field : fields)
    absl::StrAppend(&line, " ", field.name, "=",
                    field.quoted && NeedsQuotes(field.value) ? Quote(field.value) : field.value);
  return Visible(line);
}

void StartLog(bool json, LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("hiif", std::make_shared<ConsoleSink>(Console()));
  logger->set_level(ToSpdlog(level));
  // Times are in UTC, as every log collector wants them.
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v",
      spdlog::pattern_time_type::utc));
  logger->flush_on(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
  spdlog::flush_every(std::chrono::seconds(1));
  log_json = json;
}

void Log(LogLevel level, absl::string_view message, const LogFields& fields) {
  auto* logger = spdlog::default_logger_raw();
  const auto spdlog_level = ToSpdlog(level);
  if (logger == nullptr || !logger->should_log(spdlog_level)) return;
  const std::string line = FormatLog(log_json, level, message, fields);
  logger->log(spdlog_level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace hiif::server
