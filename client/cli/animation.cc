#include "client/cli/animation.h"

#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "client/cli/file_output.h"
#include "client/cli/parameters.h"
#include "imaging/animation.h"
#include "imaging/writer.h"

namespace hiif::cli {
namespace {

struct EnlargedFrame {
  std::string file;  // a picture of the output's format
  int duration_ms = 0;
  std::string model;
  std::vector<std::string> warnings;
};

class Enlargement {
 public:
  Enlargement(const UpscaleJob& job, int64_t index, std::string input, const ImageInfo& info,
              OutputPlan plan, ImageFormat format)
      : job_(job),
        index_(index),
        input_(std::move(input)),
        info_(info),
        plan_(plan),
        format_(format) {}

  // Any thread.
  absl::StatusOr<EnlargedFrame> Run(AnimationFrame frame, bool first) const {
    HIIF_ASSIGN_OR_RETURN(const std::string still, Still(std::move(frame.samples)));
    FileOutputOptions options;
    options.format = format_;
    options.quality = job_.flags->quality;
    options.channels = info_.channels;
    if (first) options.metadata = info_.metadata;  // of the whole
    options.to_srgb = job_.flags->srgb;
    options.metadata_options = job_.metadata;
    options.part = plan_.part;
    options.stop = job_.stop;
    options.on_pixels = [this](int64_t pixels) { job_.reporter->Pixels(index_, pixels); };
    EnlargedFrame out{.duration_ms = frame.duration_ms};
    Receiver receiver(std::move(options), &out.model);
    client::CallOptions call = job_.connection->call();
    call.on_retry = [this](const absl::Status& error, absl::Duration wait) {
      job_.reporter->Retry(input_, error, wait);
    };
    HIIF_ASSIGN_OR_RETURN(
        const v1::UpscaleTrailer trailer,
        job_.connection->client().Upscale(
            {.encoded = still}, MakeParameters(*job_.flags, plan_, StoredType(format_, info_.type)),
            &receiver, call));
    HIIF_RETURN_IF_ERROR(receiver.Commit());
    out.warnings = RoundingWarnings(format_, info_.type);
    out.warnings.insert(out.warnings.end(), trailer.warnings().begin(), trailer.warnings().end());
    for (const std::string& warning : receiver.warnings()) out.warnings.push_back(warning);
    out.file = receiver.TakeBytes();
    return out;
  }

 private:
  class Receiver : public FileOutput {
   public:
    Receiver(FileOutputOptions options, std::string* model)
        : FileOutput(std::move(options)), model_(model) {}
    absl::Status Begin(const v1::UpscaleHeader& header) override {
      *model_ = header.model();
      return FileOutput::Begin(header);
    }

   private:
    std::string* const model_;
  };

  // The frame as a picture that says of its colour and orientation what the animation says.
  absl::StatusOr<std::string> Still(std::string samples) const {
    WriterOptions options;
    options.format = ImageFormat::kPng;
    options.size = info_.stored;
    options.channels = info_.channels;
    options.type = info_.type;
    options.metadata.icc = info_.metadata.icc;
    if (info_.orientation != 1) options.metadata.exif = info_.metadata.exif;
    StringSink sink;
    HIIF_ASSIGN_OR_RETURN(const auto writer, ImageWriter::Create(options, &sink));
    HIIF_RETURN_IF_ERROR(writer->WriteRows(samples));
    samples = {};
    HIIF_RETURN_IF_ERROR(writer->Finish());
    return sink.Take();
  }

  const UpscaleJob& job_;
  const int64_t index_;
  const std::string input_;
  const ImageInfo& info_;
  const OutputPlan plan_;
  const ImageFormat format_;
};

absl::Status OfFrame(int64_t number, const absl::Status& status) {
  return status.ok()
             ? status
             : absl::Status(status.code(), absl::StrCat("frame ", number, ": ", status.message()));
}

}  // namespace

absl::Status UpscaleAnimation(const UpscaleJob& job, int64_t index, absl::string_view bytes,
                              const OutputFile& output, FileResult* result) {
  HIIF_ASSIGN_OR_RETURN(const auto reader, AnimationReader::Open(bytes));
  const ImageInfo& info = reader->info();
  for (const std::string& warning : info.warnings) Warn(warning, result);
  HIIF_ASSIGN_OR_RETURN(const OutputPlan plan, job.sizing->Plan(info.size));
  result->output_size = plan.size();
  const AnimationOptions options{.format = output.format,
                                 .size = plan.size(),
                                 .alpha = info.has_alpha(),
                                 .frames = info.frames,
                                 .loops = reader->loops()};
  HIIF_RETURN_IF_ERROR(AnimationWriter::Check(options));
  if (job.flags->dry_run) return absl::OkStatus();
  HIIF_RETURN_IF_ERROR(CheckConnected(job));
  job.reporter->Expect(index, plan.region.pixels() * info.frames);
  HIIF_ASSIGN_OR_RETURN(const auto target, OutputTarget::Open(output.path, job.stop));
  HIIF_ASSIGN_OR_RETURN(const auto writer, AnimationWriter::Create(options, target->sink()));

  const Enlargement enlargement(job, index, result->input, info, plan, output.format);
  int64_t written = 0;
  std::deque<std::future<absl::StatusOr<EnlargedFrame>>> under_way;
  const auto write_first = [&]() -> absl::Status {
    absl::StatusOr<EnlargedFrame> frame = under_way.front().get();
    under_way.pop_front();
    HIIF_RETURN_IF_ERROR(OfFrame(++written, frame.status()));
    if (written == 1) result->model = frame->model;
    for (const std::string& warning : frame->warnings) Warn(warning, result);
    return writer->AddFrame(frame->file, frame->duration_ms);
  };
  for (int64_t read = 1;; ++read) {
    absl::StatusOr<std::optional<AnimationFrame>> frame = reader->Next();
    HIIF_RETURN_IF_ERROR(OfFrame(read, frame.status()));
    if (!frame->has_value()) break;
    under_way.push_back(std::async(std::launch::async, [&enlargement, first = read == 1,
                                                        frame = **std::move(frame)]() mutable {
      return enlargement.Run(std::move(frame), first);
    }));
    if (std::ssize(under_way) >= job.frames_at_a_time) HIIF_RETURN_IF_ERROR(write_first());
  }
  while (!under_way.empty()) HIIF_RETURN_IF_ERROR(write_first());
  HIIF_RETURN_IF_ERROR(writer->Finish());
  return target->Commit();
}

}  // namespace hiif::cli
