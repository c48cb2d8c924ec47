#include "client/cli/reporter.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/environment.h"
#include "base/stray_lines.h"
#include "base/text.h"
#include "client/cli/json_line.h"

namespace hiif::cli {
namespace {

using Outcome = FileResult::Outcome;

constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr int kRed = 31;
constexpr int kYellow = 33;

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      return "done";
    case Outcome::kSkipped:
      return "skipped";
    case Outcome::kPlanned:
      return "planned";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kNotTried:
      return "not-tried";
  }
  return "";
}

std::string Size(Grid size) { return absl::StrFormat("%dx%d", size.width, size.height); }

std::string Clock(double seconds) {
  const int64_t s = std::llround(seconds);
  return s >= 3600 ? absl::StrFormat("%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60)
                   : absl::StrFormat("%d:%02d", s / 60, s % 60);
}

// Of a server, and so of a stranger; its further lines are set off.
std::string Message(const absl::Status& status) {
  return absl::StrReplaceAll(Visible(status.message(), /*keep_lines=*/true), {{"\n", "\n    "}});
}

int Columns() {
  winsize size{};
  return ioctl(fileno(Console()), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void PrintLibraryLine(bool json, absl::string_view line) {
  const std::string text = json ? JsonLine({{"event", "library"}, {"line", std::string(line)}})
                                : absl::StrCat("library: ", Visible(line));
  std::fprintf(Console(), "%s\n", text.c_str());
}

Reporter::Reporter(const LogFlags& flags, int64_t files)
    : flags_(flags), files_(files), json_(flags.format == "json"), start_(absl::Now()) {
  const bool terminal = isatty(fileno(Console())) == 1;
  const char* term = EnvironmentVariable("TERM");
  const char* no_color = EnvironmentVariable("NO_COLOR");
  bar_ =
      terminal && !json_ && !flags.quiet && (term == nullptr || absl::string_view(term) != "dumb");
  colour_ = bar_ && (no_color == nullptr || *no_color == '\0');
}

Reporter::~Reporter() {
  absl::MutexLock lock(&mutex_);
  Erase();
}

void Reporter::Start(int64_t index, const std::string& input) {
  absl::MutexLock lock(&mutex_);
  running_[index].input = input;
  Draw();
}

void Reporter::Expect(int64_t index, int64_t pixels) {
  absl::MutexLock lock(&mutex_);
  running_[index].expected = pixels;
}

void Reporter::Pixels(int64_t index, int64_t pixels) {
  absl::MutexLock lock(&mutex_);
  running_[index].written += pixels;
  pixels_ += pixels;
  Draw();
}

void Reporter::Retry(const std::string& input, const absl::Status& error, absl::Duration wait) {
  absl::MutexLock lock(&mutex_);
  const double seconds = absl::ToDoubleSeconds(wait);
  if (json_) {
    Line(JsonLine({{"event", "retry"},
                   {"input", input},
                   {"code", absl::StatusCodeToString(error.code())},
                   {"error", std::string(error.message())},
                   {"wait_seconds", seconds}}));
  } else if (flags_.verbose) {
    Line(absl::StrFormat("retry   %s in %.1f s: %s", Visible(input), seconds, Message(error)));
  }
}

void Reporter::Done(int64_t index, FileResult result) {
  absl::MutexLock lock(&mutex_);
  running_.erase(index);
  ++ended_;
  ++counts_[result.outcome];
  waiting_.emplace(index, std::move(result));
  for (auto it = waiting_.find(next_); it != waiting_.end(); it = waiting_.find(next_)) {
    Print(it->second);
    if (it->second.outcome == Outcome::kFailed) failures_.push_back(std::move(it->second));
    waiting_.erase(it);
    ++next_;
  }
  Draw();
}

void Reporter::Print(const FileResult& result) {
  if (json_) {
    nlohmann::ordered_json json = {
        {"event", "file"}, {"status", NameOf(result.outcome)}, {"input", result.input}};
    if (!result.output.empty()) json["output"] = result.output;
    if (result.input_size.width > 0) {
      json["input_width"] = result.input_size.width;
      json["input_height"] = result.input_size.height;
    }
    if (result.output_size.width > 0) {
      json["output_width"] = result.output_size.width;
      json["output_height"] = result.output_size.height;
    }
    if (!result.model.empty()) json["model"] = result.model;
    if (result.outcome == Outcome::kDone) json["seconds"] = result.seconds;
    if (!result.status.ok()) {
      json["code"] = absl::StatusCodeToString(result.status.code());
      json["error"] = std::string(result.status.message());
    }
    if (!result.warnings.empty()) json["warnings"] = result.warnings;
    Line(JsonLine(json));
    return;
  }
  const std::string input = Visible(result.input);
  const std::string output = Visible(result.output);
  for (const std::string& warning : result.warnings)
    Line(absl::StrCat(Coloured("warning", kYellow), " ", input, ": ", Visible(warning)));
  switch (result.outcome) {
    case Outcome::kDone:
      if (flags_.quiet || (bar_ && !flags_.verbose)) return;
      Line(absl::StrFormat("done    %s -> %s  %s -> %s  %.2f s", input, output,
                           Size(result.input_size), Size(result.output_size), result.seconds));
      return;
    case Outcome::kPlanned:
      Line(absl::StrFormat("plan    %s -> %s  %s -> %s", input, output, Size(result.input_size),
                           Size(result.output_size)));
      return;
    case Outcome::kSkipped:
      if (flags_.quiet || (bar_ && !flags_.verbose)) return;
      Line(absl::StrFormat("skipped %s: %s is there", input, output));
      return;
    case Outcome::kFailed:
      Line(absl::StrCat(Coloured("failed", kRed), "  ", input, ": ", Message(result.status)));
      return;
    case Outcome::kNotTried:
      return;
  }
}

void Reporter::LeftOut(const std::vector<std::string>& paths) {
  absl::MutexLock lock(&mutex_);
  left_out_ = paths;
  List("left out, as no images of a known format", paths);
}

void Reporter::PassedOver(const std::vector<std::string>& paths) {
  absl::MutexLock lock(&mutex_);
  passed_over_ = paths;
  List("passed over, as outputs of a run before", paths);
}

void Reporter::List(absl::string_view what, const std::vector<std::string>& paths) {
  if (paths.empty() || json_ || flags_.quiet) return;
  constexpr size_t kNamed = 3;
  std::string text = absl::StrCat(what, ": ", Visible(paths[0]));
  for (size_t i = 1; i < std::min(paths.size(), kNamed); ++i)
    absl::StrAppend(&text, ", ", Visible(paths[i]));
  if (paths.size() > kNamed) absl::StrAppend(&text, " and ", paths.size() - kNamed, " more");
  Line(text);
}

void Reporter::Summary() {
  absl::MutexLock lock(&mutex_);
  Erase();
  bar_ = false;
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start_);
  if (json_) {
    Line(JsonLine({{"event", "summary"},
                   {"done", counts_[Outcome::kDone]},
                   {"planned", counts_[Outcome::kPlanned]},
                   {"skipped", counts_[Outcome::kSkipped]},
                   {"failed", counts_[Outcome::kFailed]},
                   {"not_tried", counts_[Outcome::kNotTried]},
                   {"left_out", left_out_},
                   {"passed_over", passed_over_},
                   {"output_pixels", pixels_},
                   {"seconds", seconds}}));
    return;
  }
  // With one file everything has been said.
  if (files_ > 1 && !failures_.empty()) {
    Line(absl::StrCat("failed, with the reasons:"));
    for (const FileResult& result : failures_)
      Line(absl::StrCat("  ", Visible(result.input), ": ", Message(result.status)));
  }
  if (flags_.quiet) return;
  std::string text;
  for (const Outcome outcome :
       {Outcome::kDone, Outcome::kPlanned, Outcome::kSkipped, Outcome::kFailed, Outcome::kNotTried})
    if (counts_[outcome] > 0)
      absl::StrAppend(&text, text.empty() ? "" : ", ", counts_[outcome], " ", NameOf(outcome));
  absl::StrAppendFormat(&text, " in %.1f s", seconds);
  if (pixels_ > 0)
    absl::StrAppendFormat(&text, "; %.2f Mpx, %.2f Mpx/s", Megapixels(), Megapixels() / seconds);
  Line(text);
}

int64_t Reporter::failed() const {
  absl::MutexLock lock(&mutex_);
  const auto it = counts_.find(Outcome::kFailed);
  return it == counts_.end() ? 0 : it->second;
}

int64_t Reporter::not_tried() const {
  absl::MutexLock lock(&mutex_);
  const auto it = counts_.find(Outcome::kNotTried);
  return it == counts_.end() ? 0 : it->second;
}

void Reporter::Line(absl::string_view text) {
  Erase();
  std::fprintf(Console(), "%.*s\n", static_cast<int>(text.size()), text.data());
}

void Reporter::Erase() {
  if (!on_screen_) return;
  std::fputs("\r\x1b[K", Console());
  on_screen_ = false;
}

void Reporter::Draw() {
  if (!bar_ || running_.empty()) return;
  const absl::Time time = absl::Now();
  if (time - drawn_ < kRedraw) return;
  drawn_ = time;
  // Files count as equal; those under way by what is written of them.
  double files = static_cast<double>(ended_);
  for (const auto& [index, running] : running_)
    if (running.expected > 0)
      files += static_cast<double>(running.written) / static_cast<double>(running.expected);
  const double done =
      std::clamp(files / static_cast<double>(std::max<int64_t>(files_, 1)), 0.0, 1.0);
  const double seconds = absl::ToDoubleSeconds(time - start_);
  const std::string left =
      done > 0.01 && seconds > 0.5 ? Clock(seconds * (1 - done) / done) + " left" : "";
  std::string head = Visible(running_.begin()->second.input);
  const std::string count = files_ > 1 ? absl::StrFormat("%d/%d ", ended_, files_) : "";
  const std::string tail = absl::StrFormat(" %3d %%  %.2f Mpx/s  %s", static_cast<int>(done * 100),
                                           seconds > 0 ? Megapixels() / seconds : 0.0, left);
  constexpr int kBar = 20;
  const int room = Columns() - 1 - kBar - 3 - static_cast<int>(count.size() + tail.size());
  if (static_cast<int>(head.size()) > std::max(room, 8))
    head = absl::StrCat("...", head.substr(head.size() - std::max(room, 8) + 3));
  const int full = static_cast<int>(done * kBar);
  std::fprintf(Console(), "\r\x1b[K%s%s [%s%s]%s", count.c_str(), head.c_str(),
               std::string(full, '#').c_str(), std::string(kBar - full, '.').c_str(), tail.c_str());
  std::fflush(Console());
  on_screen_ = true;
}

std::string Reporter::Coloured(absl::string_view text, int colour) const {
  if (!colour_) return std::string(text);
  return absl::StrCat("\x1b[", colour, "m", text, "\x1b[0m");
}

}  // namespace hiif::cli
