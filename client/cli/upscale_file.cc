#include "client/cli/upscale_file.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "client/cli/animation.h"
#include "client/cli/file_output.h"
#include "client/cli/parameters.h"
#include "client/cli/picture_bytes.h"
#include "imaging/animation.h"
#include "imaging/probe.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;
using Outcome = FileResult::Outcome;

// The pictures of a file, one after another.
class Enlargement {
 public:
  Enlargement(const UpscaleJob& job, int64_t index, FileResult* result)
      : job_(job), index_(index), result_(result) {}

  // info: of this frame, which is counted from 1.
  absl::Status Run(absl::string_view bytes, const ImageInfo& info, const OutputFile& output,
                   int frame) {
    HIIF_ASSIGN_OR_RETURN(const OutputPlan plan, job_.sizing->Plan(info.size));
    HIIF_RETURN_IF_ERROR(CheckWritable(output.format, plan.size()));
    result_->input_size = info.size;
    result_->output_size = plan.size();
    if (job_.flags->dry_run) return absl::OkStatus();
    HIIF_RETURN_IF_ERROR(CheckConnected(job_));
    // As if the rest were like this one.
    job_.reporter->Expect(index_,
                          pixels_ + plan.region.pixels() * (std::max(info.frames, 1) - frame + 1));
    pixels_ += plan.region.pixels();

    FileOutputOptions options;
    options.path = output.path;
    options.format = output.format;
    options.quality = job_.flags->quality;
    options.channels = info.channels;
    options.metadata = info.metadata;
    options.to_srgb = job_.flags->srgb;
    options.metadata_options = job_.metadata;
    options.part = plan.part;
    options.stop = job_.stop;
    options.on_pixels = [this](int64_t pixels) { job_.reporter->Pixels(index_, pixels); };
    Receiver receiver(std::move(options), result_);
    client::CallOptions call = job_.connection->call();
    call.on_retry = [this](const absl::Status& error, absl::Duration wait) {
      job_.reporter->Retry(result_->input, error, wait);
    };
    v1::UpscaleParameters parameters =
        MakeParameters(*job_.flags, plan, StoredType(output.format, info.type));
    if (info.frames > 1) parameters.set_frame(frame);
    const auto trailer =
        job_.connection->client().Upscale({.encoded = bytes}, parameters, &receiver, call);
    HIIF_RETURN_IF_ERROR(trailer.status());
    for (const std::string& warning : trailer->warnings()) Warn(warning, result_);
    for (const std::string& warning : RoundingWarnings(output.format, info.type))
      Warn(warning, result_);
    HIIF_RETURN_IF_ERROR(receiver.Commit());
    for (const std::string& warning : receiver.warnings()) Warn(warning, result_);
    return absl::OkStatus();
  }

 private:
  // Notes which model it was.
  class Receiver : public FileOutput {
   public:
    Receiver(FileOutputOptions options, FileResult* result)
        : FileOutput(std::move(options)), result_(result) {}
    absl::Status Begin(const v1::UpscaleHeader& header) override {
      result_->model = header.model();
      return FileOutput::Begin(header);
    }

   private:
    FileResult* const result_;
  };

  const UpscaleJob& job_;
  const int64_t index_;
  FileResult* const result_;
  int64_t pixels_ = 0;  // of the frames so far
};

// Pages may differ in size, channels, depth and metadata. info: of the whole file, with its first.
absl::StatusOr<ImageInfo> OfFrame(absl::string_view bytes, const ImageInfo& info, int frame) {
  if (info.frames <= 1) return info;
  return Probe(bytes, kNoImageLimits, frame - 1);
}

std::string FramePath(const std::string& path, int frame) {
  const fs::path p(path);
  return (p.parent_path() /
          absl::StrFormat("%s-%03d%s", p.stem().string(), frame, p.extension().string()))
      .string();
}

absl::Status Process(const UpscaleJob& job, int64_t index, const InputFile& input,
                     FileResult* result) {
  if (!input.problem.empty()) return absl::NotFoundError(input.problem);
  const bool all_frames = job.flags->all_frames;
  const bool by_name = input.path != "-" && !all_frames;
  HIIF_ASSIGN_OR_RETURN(OutputFile output, job.names->For(input));
  OutputDecision decision{true, output.path};
  if (by_name) {  // before the file is looked at: a resumed run passes over what is done
    result->output = output.path;
    HIIF_ASSIGN_OR_RETURN(decision, job.exists->Decide(input.path, output.path));
    result->output = output.path = decision.path;
    if (!decision.write) return absl::OkStatus();
  }
  HIIF_ASSIGN_OR_RETURN(const std::string bytes, ReadPicture(input.path, job.stop));
  HIIF_ASSIGN_OR_RETURN(const ImageInfo info, Probe(bytes, kNoImageLimits));
  result->input_size = info.size;
  for (const std::string& warning : info.warnings) Warn(warning, result);
  const bool animation = info.frames > 1 && HoldsAnimations(info.format);
  if (info.frames > 1 && !all_frames && !(animation && job.flags->animation))
    return absl::InvalidArgumentError(
        absl::StrCat("has ", info.frames, " frames or pages; ",
                     animation ? "--animation keeps it an animation, " : "",
                     "--all-frames makes a file of each"));
  if (!by_name) {
    HIIF_ASSIGN_OR_RETURN(output, job.names->For(input, info.format));
  }
  if (animation && !all_frames) {
    if (!by_name) {
      HIIF_ASSIGN_OR_RETURN(decision, job.exists->Decide(input.path, output.path));
      result->output = output.path = decision.path;
      if (!decision.write) return absl::OkStatus();
    }
    HIIF_RETURN_IF_ERROR(UpscaleAnimation(job, index, bytes, output, result));
    result->outcome = job.flags->dry_run ? Outcome::kPlanned : Outcome::kDone;
    return absl::OkStatus();
  }
  if (info.frames > 1 && output.path == "-")
    return absl::InvalidArgumentError(
        absl::StrCat("has ", info.frames,
                     " frames or pages; standard output takes one image: name "
                     "a file or a folder"));
  bool wrote = by_name;
  Enlargement enlargement(job, index, result);
  for (int frame = 1; frame <= std::max(info.frames, 1); ++frame) {
    OutputFile file = output;
    if (info.frames > 1) file.path = FramePath(output.path, frame);
    if (!by_name) {
      HIIF_ASSIGN_OR_RETURN(decision, job.exists->Decide(input.path, file.path));
      result->output = file.path = decision.path;
      if (!decision.write) continue;
      wrote = true;
    }
    HIIF_ASSIGN_OR_RETURN(const ImageInfo of_frame, OfFrame(bytes, info, frame));
    for (const std::string& warning : of_frame.warnings) Warn(warning, result);
    HIIF_RETURN_IF_ERROR(enlargement.Run(bytes, of_frame, file, frame));
  }
  if (wrote) result->outcome = job.flags->dry_run ? Outcome::kPlanned : Outcome::kDone;
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckConnected(const UpscaleJob& job) {
  if (job.connection != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "its output was there when the run began and is not any more: run it again");
}

void Warn(const std::string& warning, FileResult* result) {
  auto& warnings = result->warnings;
  if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end())
    warnings.push_back(warning);
}

absl::StatusOr<MetadataOptions> ParseMetadataOptions(const UpscaleFlags& flags) {
  MetadataOptions options;
  options.strip = flags.strip;
  if (flags.ppi == "keep") return options;
  if (flags.ppi == "print-size") {
    options.ppi_mode = MetadataOptions::Ppi::kPrintSize;
    return options;
  }
  options.ppi_mode = MetadataOptions::Ppi::kSet;
  if (absl::SimpleAtod(flags.ppi, &options.ppi) && options.ppi > 0 && options.ppi <= 100000)
    return options;
  return absl::InvalidArgumentError(
      absl::StrCat("--ppi: \"", flags.ppi, "\" is neither keep nor print-size nor a number"));
}

FileResult UpscaleFile(const UpscaleJob& job, int64_t index, const InputFile& input) {
  FileResult result;
  result.input = input.path;
  result.outcome = Outcome::kSkipped;
  job.reporter->Start(index, input.path);
  const absl::Time start = absl::Now();
  const absl::Status status = Process(job, index, input, &result);
  result.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (absl::IsCancelled(status) && job.stop.stop_requested()) {
    result.outcome = Outcome::kNotTried;
  } else if (!status.ok()) {
    result.outcome = Outcome::kFailed;
    result.status = status;
  }
  return result;
}

}  // namespace hiif::cli
