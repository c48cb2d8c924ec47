#include "server/core/encoded_file.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status_macros.h"

namespace hiif::server {
namespace {

// Of the input, to the nearest pixel: what the region is the enlargement of.
Grid PartOf(const Plan& plan) {
  const auto part = [](int64_t input, int64_t region, int64_t output) {
    const double length = static_cast<double>(input) * static_cast<double>(region);
    return std::max<int64_t>(1, std::llround(length / static_cast<double>(output)));
  };
  return {part(plan.input.height, plan.region.height, plan.output.height),
          part(plan.input.width, plan.region.width, plan.output.width)};
}

}  // namespace

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
  options.metadata = OutputMetadata(picture.metadata, PartOf(plan), options.size,
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
