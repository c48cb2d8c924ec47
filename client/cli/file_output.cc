#include "client/cli/file_output.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/response_checker.h"

namespace hiif::cli {
namespace {

// A pipe or a device: there, and neither a file nor a folder.
bool IsStream(const std::string& path) {
  std::error_code error;
  return path == "-" || std::filesystem::is_other(path, error);
}

SampleType TypeOf(v1::SampleType type) {
  return type == v1::SAMPLE_TYPE_U16   ? SampleType::kU16
         : type == v1::SAMPLE_TYPE_F32 ? SampleType::kF32
                                       : SampleType::kU8;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OutputTarget>> OutputTarget::Open(const std::string& path,
                                                                 std::stop_token stop) {
  auto target = std::make_unique<OutputTarget>();
  if (IsStream(path)) {
    HIIF_ASSIGN_OR_RETURN(OutputStream stream, OutputStream::Open(path, std::move(stop)));
    target->stream_.emplace(std::move(stream));
    target->sink_ = std::make_unique<StreamSink>([t = target.get()](absl::string_view bytes) {
      t->sent_ = true;
      return t->stream_->Write(bytes);
    });
    return target;
  }
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error)
    return absl::PermissionDeniedError(
        absl::StrCat("cannot make the folder ", folder.string(), ": ", error.message()));
  HIIF_ASSIGN_OR_RETURN(target->file_, AtomicFile::Create(path, HardLinks::kWriteThrough));
  target->sink_ = std::make_unique<FileSink>(target->file_.get());
  return target;
}

absl::Status OutputTarget::Commit() {
  if (file_ != nullptr) return file_->Commit();
  stream_.reset();
  return absl::OkStatus();
}

absl::Status FileOutput::Begin(const v1::UpscaleHeader& header) {
  if (target_ != nullptr && target_->sent())
    return absl::AbortedError(absl::StrCat("the stream broke after a part had gone to ",
                                           options_.path == "-" ? "standard output" : options_.path,
                                           "; try again"));
  // A second time: what was written so far is given up.
  if (options_.on_pixels && pixels_ != 0) options_.on_pixels(-pixels_);
  pixels_ = 0;
  assembler_.reset();
  writer_.reset();
  // Who reads from a pipe takes its closing for the end.
  if (target_ != nullptr && target_->can_take_back()) target_.reset();
  memory_.Take();

  if (options_.channels != 0 && header.channels() != options_.channels)
    return absl::InternalError(absl::StrCat("the server sent ", header.channels(),
                                            " channels of a picture of ", options_.channels));
  const Region region{header.region().x(), header.region().y(), header.region().width(),
                      header.region().height()};
  WriterOptions writer;
  writer.format = options_.format;
  writer.size = {region.height, region.width};
  writer.channels = header.channels();
  writer.type = TypeOf(header.sample_type());
  writer.quality = options_.quality;
  writer.cancelled = [stop = options_.stop] { return stop.stop_requested(); };
  Metadata metadata = options_.metadata;
  metadata.srgb =
      options_.to_srgb && !options_.metadata.icc.empty() && header.icc_profile().empty();
  metadata.icc = header.icc_profile();
  writer.metadata = OutputMetadata(metadata, options_.part, writer.size, options_.metadata_options);

  ByteSink* sink = &memory_;
  if (!options_.path.empty()) {
    if (target_ == nullptr) {
      HIIF_ASSIGN_OR_RETURN(target_, OutputTarget::Open(options_.path, options_.stop));
    }
    sink = target_->sink();
  }
  HIIF_ASSIGN_OR_RETURN(writer_, ImageWriter::Create(writer, sink));
  assembler_ = std::make_unique<TileAssembler>(
      region, int64_t{header.channels()} * client::SampleBytes(header.sample_type()),
      writer_.get());
  return absl::OkStatus();
}

absl::Status FileOutput::Tile(const v1::Tile& tile) {
  HIIF_RETURN_IF_ERROR(
      assembler_->AddTile({tile.x(), tile.y(), tile.width(), tile.height()}, tile.samples()));
  const int64_t pixels = int64_t{tile.width()} * tile.height();
  pixels_ += pixels;
  if (options_.on_pixels) options_.on_pixels(pixels);
  return absl::OkStatus();
}

absl::Status FileOutput::Chunk(const v1::EncodedChunk& /*chunk*/) {
  return absl::InternalError("the server sent a file where tiles were asked for");
}

absl::Status FileOutput::Commit() {
  if (assembler_ == nullptr || !assembler_->complete())
    return absl::InternalError("the output ended before its last row");
  HIIF_RETURN_IF_ERROR(writer_->Finish());
  return target_ == nullptr ? absl::OkStatus() : target_->Commit();
}

}  // namespace hiif::cli
