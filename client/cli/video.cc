#include "client/cli/video.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "base/stray_lines.h"
#include "base/text.h"
#include "client/cli/connection.h"
#include "client/cli/error.h"
#include "client/cli/exit_code.h"
#include "client/cli/file_output.h"
#include "client/cli/input_stream.h"
#include "client/cli/json_line.h"
#include "client/cli/outputs.h"
#include "client/cli/parameters.h"
#include "client/cli/sizing.h"
#include "imaging/sink.h"
#include "imaging/y4m.h"

namespace hiif::cli {
namespace {

constexpr size_t kMaxLine = 4096;

// Lines and frames of a stream. Errors are those of InputStream.
class Input {
 public:
  explicit Input(InputStream stream) : stream_(std::move(stream)) {}

  // Without its end; nullopt at the end of the stream, or where no line comes.
  absl::StatusOr<std::optional<std::string>> Line() {
    std::string line;
    while (line.size() < kMaxLine) {
      HIIF_ASSIGN_OR_RETURN(const bool end, AtEnd());
      if (end) break;
      const char c = held_[begin_++];
      if (c == '\n') return line;
      line.push_back(c);
    }
    return std::nullopt;
  }
  // As many bytes as there are, at most `count`. Memory grows as they come: a header may promise
  // what never does.
  absl::StatusOr<std::string> Bytes(size_t count) {
    std::string out = held_.substr(begin_, count);
    begin_ += out.size();
    while (out.size() < count) {
      const size_t before = out.size();
      out.resize(std::min(count, before + kPiece));
      HIIF_ASSIGN_OR_RETURN(const size_t n, stream_.Read(absl::MakeSpan(out).subspan(before)));
      out.resize(before + n);
      if (n == 0) break;
    }
    return out;
  }
  absl::StatusOr<bool> AtEnd() {
    if (begin_ < held_.size()) return false;
    HIIF_ASSIGN_OR_RETURN(const bool more, Fill());
    return !more;
  }

 private:
  static constexpr size_t kPiece = size_t{1} << 16;

  // After what is held was taken; false at the end.
  absl::StatusOr<bool> Fill() {
    held_.resize(kPiece);
    begin_ = 0;
    const absl::StatusOr<size_t> n = stream_.Read(absl::MakeSpan(held_));
    held_.resize(n.value_or(0));
    HIIF_RETURN_IF_ERROR(n.status());
    return *n > 0;
  }

  InputStream stream_;
  std::string held_;
  size_t begin_ = 0;
};

class Video {
 public:
  Video(const UpscaleFlags& flags, Connection* connection, VideoFormat in, OutputPlan plan)
      : flags_(flags),
        connection_(*connection),
        in_(std::move(in)),
        plan_(plan),
        out_(Resized(in_, plan.part, plan.size())) {}

  // Whether Run() ended because its input does within a frame; what was written is whole.
  bool input_broke() const { return input_broke_; }

  // Reads, computes and writes until the end. What was written is whole frames, whatever happens,
  // but for a pipe when a signal comes.
  absl::Status Run(Input& input, ByteSink* output, int jobs, int64_t* frames) {
    HIIF_RETURN_IF_ERROR(output->Append(Y4mHeader(out_) + "\n"));
    std::deque<std::future<absl::StatusOr<std::string>>> under_way;
    const auto write_first = [&]() -> absl::Status {
      absl::StatusOr<std::string> frame = under_way.front().get();
      under_way.pop_front();
      HIIF_RETURN_IF_ERROR(frame.status());
      HIIF_RETURN_IF_ERROR(output->Append(absl::StrCat("FRAME\n", *frame)));
      ++*frames;
      return absl::OkStatus();
    };
    absl::Status broken;
    while (broken.ok()) {
      absl::StatusOr<std::string> frame = Read(input);
      if (!frame.ok()) broken = frame.status();
      if (!frame.ok() || frame->empty()) break;
      under_way.push_back(std::async(std::launch::async,
                                     [this, frame = *std::move(frame)] { return Enlarge(frame); }));
      if (std::ssize(under_way) >= jobs) HIIF_RETURN_IF_ERROR(write_first());
    }
    if (absl::IsCancelled(broken)) return broken;
    while (!under_way.empty()) HIIF_RETURN_IF_ERROR(write_first());
    input_broke_ = !broken.ok();
    return broken;
  }

 private:
  // A frame; empty at the end.
  absl::StatusOr<std::string> Read(Input& input) {
    ++number_;
    HIIF_ASSIGN_OR_RETURN(const bool end, input.AtEnd());
    if (end) return "";
    HIIF_ASSIGN_OR_RETURN(const std::optional<std::string> line, input.Line());
    if (!line || (*line != "FRAME" && !absl::StartsWith(*line, "FRAME ")))
      return absl::DataLossError(absl::StrCat("the stream is damaged before frame ", number_));
    HIIF_ASSIGN_OR_RETURN(std::string frame, input.Bytes(in_.FrameBytes()));
    if (std::ssize(frame) < in_.FrameBytes())
      return absl::DataLossError(absl::StrFormat("the stream ends within frame %d (%d of %d bytes)",
                                                 number_, frame.size(), in_.FrameBytes()));
    return frame;
  }

  absl::StatusOr<std::string> Enlarge(const std::string& frame) const {
    const std::vector<uint16_t> pixels = FrameToRgb(in_, frame);
    v1::RawImage raw;
    raw.set_width(static_cast<int32_t>(in_.size.width));
    raw.set_height(static_cast<int32_t>(in_.size.height));
    raw.set_channels(in_.channels());
    raw.set_sample_type(v1::SAMPLE_TYPE_U16);
    raw.set_samples(pixels.data(), pixels.size() * sizeof(uint16_t));
    HIIF_ASSIGN_OR_RETURN(
        const client::UpscaleOutput output,
        connection_.client().UpscaleToMemory(
            {.raw = &raw}, MakeParameters(flags_, plan_, SampleType::kU16), connection_.call()));
    const int64_t samples = out_.size.width * out_.size.height * out_.channels();
    if (std::ssize(output.samples) != samples * static_cast<int64_t>(sizeof(uint16_t)))
      return absl::InternalError("the server sent a frame of another size than asked for");
    std::vector<uint16_t> enlarged(samples);
    std::memcpy(enlarged.data(), output.samples.data(), output.samples.size());
    return FrameFromRgb(out_, enlarged);
  }

  const UpscaleFlags& flags_;
  Connection& connection_;
  const VideoFormat in_;
  const OutputPlan plan_;
  const VideoFormat out_;
  int64_t number_ = 0;
  bool input_broke_ = false;
};

// What came of a run.
struct Outcome {
  int64_t frames = 0;
  std::string output;  // where to, if not as it was named
  bool skipped = false;
};

// The path is there and a file or folder.
bool IsThere(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) && !std::filesystem::is_other(path, error);
}

// What is whole is kept of a stream that breaks, but not in the place of another file, unless that
// was asked for, and never in that of the stream itself.
bool KeepsPart(const UpscaleFlags& flags, Exists exists, const std::string& output) {
  const std::string input = flags.inputs[0] == "-" ? "/dev/stdin" : flags.inputs[0];
  std::error_code error;
  return !IsThere(output) ||
         (exists == Exists::kOverwrite && !std::filesystem::equivalent(input, output, error));
}

absl::Status With(const absl::Status& status, absl::string_view more) {
  return absl::Status(status.code(), absl::StrCat(status.message(), "; ", more));
}

absl::Status CheckFlags(const UpscaleFlags& flags) {
  if (flags.inputs.size() != 1 || !flags.lists.empty() || flags.output.empty())
    return absl::InvalidArgumentError("--y4m takes one input and -o, of which - is the pipe");
  if (!flags.format.empty() || !flags.name.empty() || flags.resume || flags.all_frames ||
      flags.animation || flags.dry_run || !flags.shard.empty() || flags.quality != 0 ||
      flags.srgb || flags.strip || flags.recursive || flags.ppi != "keep")
    return absl::InvalidArgumentError(
        "--y4m goes with sizes, models, --jobs and servers alone, not with flags of image files");
  return absl::OkStatus();
}

absl::Status Run(const UpscaleFlags& flags, int jobs, const Interrupt& interrupt,
                 std::unique_ptr<Connection>* connection, Outcome* outcome) {
  HIIF_RETURN_IF_ERROR(CheckFlags(flags));
  HIIF_ASSIGN_OR_RETURN(const Sizing sizing, Sizing::Create(flags.size));
  HIIF_ASSIGN_OR_RETURN(const Exists exists, ParseExists(flags.exists));
  const std::string& path = flags.inputs[0];
  HIIF_ASSIGN_OR_RETURN(const OutputDecision decision,
                        ExistsPolicy(exists, /*resume=*/false).Decide(path, flags.output));
  outcome->skipped = !decision.write;
  if (!decision.write) return absl::OkStatus();
  if (decision.path != flags.output) outcome->output = decision.path;
  absl::StatusOr<InputStream> stream = InputStream::Open(path, interrupt.token());
  if (!stream.ok()) return WithName(path, stream.status());
  Input input(*std::move(stream));
  HIIF_ASSIGN_OR_RETURN(const std::optional<std::string> header, input.Line());
  HIIF_ASSIGN_OR_RETURN(VideoFormat format, ParseY4mHeader(header.value_or("")));
  HIIF_ASSIGN_OR_RETURN(const OutputPlan plan, sizing.Plan(format.size));
  HIIF_ASSIGN_OR_RETURN(*connection,
                        Connection::Open(flags.connection, interrupt.token(), flags.model));
  Video video(flags, connection->get(), std::move(format), plan);
  HIIF_ASSIGN_OR_RETURN(const auto output, OutputTarget::Open(decision.path, interrupt.token()));
  const absl::Status status = video.Run(input, output->sink(), jobs, &outcome->frames);
  if (!status.ok() && !video.input_broke()) return status;
  if (!status.ok() && output->can_take_back() && !KeepsPart(flags, exists, decision.path)) {
    outcome->frames = 0;
    return With(status, absl::StrCat(decision.path, " stays as it was"));
  }
  HIIF_RETURN_IF_ERROR(output->Commit());
  return status.ok() ? status : With(status, "the frames before it are written");
}

}  // namespace

int RunVideo(const UpscaleFlags& flags, int jobs, const Interrupt& interrupt) {
  const absl::Time start = absl::Now();
  std::unique_ptr<Connection> connection;
  Outcome outcome;
  const absl::Status status = Run(flags, jobs, interrupt, &connection, &outcome);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  const bool json = flags.log.format == "json";
  if (json && (outcome.skipped || outcome.frames > 0))
    std::fprintf(Console(), "%s\n",
                 JsonLine({{"event", "file"},
                           {"status", outcome.skipped ? "skipped"
                                      : status.ok()   ? "done"
                                                      : "failed"},
                           {"input", flags.inputs[0]},
                           {"output", outcome.output.empty() ? flags.output : outcome.output},
                           {"frames", outcome.frames},
                           {"seconds", seconds}})
                     .c_str());
  if (!json && !flags.log.quiet && outcome.skipped)
    std::fprintf(Console(), "skipped %s: %s is there\n", Visible(flags.inputs[0]).c_str(),
                 Visible(flags.output).c_str());
  if (!json && !flags.log.quiet && outcome.frames > 0)
    std::fprintf(
        Console(), "%s",
        absl::StrFormat("%s%s%d frames in %.1f s, %.2f a second\n", Visible(outcome.output),
                        outcome.output.empty() ? "" : ": ", outcome.frames, seconds,
                        static_cast<double>(outcome.frames) / seconds)
            .c_str());
  if (status.ok()) return kExitOk;
  return Fail("upscale", connection == nullptr ? status : connection->Explain(status), flags.log);
}

}  // namespace hiif::cli
