#include "server/core/encoded_file.h"

#include <utility>

#include "base/status_macros.h"

namespace hiif::server {

EncodedFile::EncodedFile(const Plan& plan)
    : plan_(plan), sink_([this](absl::string_view bytes) {
        bytes_.append(bytes.data(), bytes.size());
        return absl::OkStatus();
      }) {}

absl::StatusOr<std::unique_ptr<EncodedFile>> EncodedFile::Create(const Plan& plan,
                                                                 const Picture& picture,
                                                                 std::function<bool()> cancelled) {
  auto file = std::unique_ptr<EncodedFile>(new EncodedFile(plan));
  WriterOptions options;
  options.format = plan.file->format;
  options.size = {plan.region.height, plan.region.width};
  options.channels = plan.channels;
  options.type = plan.type;
  options.quality = plan.file->quality;
  options.metadata = OutputMetadata(picture.metadata, plan.input, options.size,
                                    {.strip = plan.file->strip_metadata});
  options.cancelled = std::move(cancelled);
  HIIF_ASSIGN_OR_RETURN(file->writer_, ImageWriter::Create(options, &file->sink_));
  file->assembler_ =
      std::make_unique<TileAssembler>(plan.region, plan.pixel_bytes(), file->writer_.get());
  return file;
}

absl::Status EncodedFile::AddTile(int64_t index, absl::string_view samples) {
  return assembler_->AddTile(plan_.Tile(index), samples);
}

absl::Status EncodedFile::Finish() { return writer_->Finish(); }

}  // namespace hiif::server
