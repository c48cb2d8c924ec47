#include "server/core/output.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "imaging/sink.h"
#include "imaging/writer.h"

namespace hiif::server {
namespace {

class TileOutput : public Output {
 public:
  TileOutput(const Plan& plan, UpscaleStream* stream) : plan_(plan), stream_(stream) {}

  absl::Status AddTile(int64_t index, std::string samples) override {
    const Region region = plan_.Tile(index);
    auto* tile = response_.mutable_tile();
    tile->set_index(index);
    tile->set_x(region.x);
    tile->set_y(region.y);
    tile->set_width(static_cast<int32_t>(region.width));
    tile->set_height(static_cast<int32_t>(region.height));
    tile->set_crc32c(Crc32c(samples));
    crc32c_ = Crc32c(samples, crc32c_);
    tile->set_samples(std::move(samples));
    ++messages_;
    return stream_->Write(response_);
  }

  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  const Plan plan_;
  UpscaleStream* const stream_;
  v1::UpscaleResponse response_;
};

class FileOutput : public Output {
 public:
  FileOutput(const Plan& plan, UpscaleStream* stream)
      : plan_(plan),
        stream_(stream),
        sink_([this](absl::string_view bytes) { return Append(bytes); }) {}

  absl::Status Start(const Picture& picture, bool strip) {
    WriterOptions options;
    options.format = *plan_.format;
    options.size = {plan_.region.height, plan_.region.width};
    options.channels = plan_.channels;
    options.type = plan_.type;
    options.quality = plan_.quality;
    options.metadata =
        OutputMetadata(picture.metadata, plan_.input, options.size, {.strip = strip});
    HIIF_ASSIGN_OR_RETURN(writer_, ImageWriter::Create(options, &sink_));
    assembler_.emplace(plan_.region, plan_.pixel_bytes(), writer_.get());
    return absl::OkStatus();
  }

  absl::Status AddTile(int64_t index, std::string samples) override {
    return assembler_->AddTile(plan_.Tile(index), samples);
  }

  absl::Status Finish() override {
    HIIF_RETURN_IF_ERROR(writer_->Finish());
    return pending_.empty() ? absl::OkStatus() : Send();
  }

  std::vector<std::string> warnings() const override { return writer_->warnings(); }

 private:
  absl::Status Append(absl::string_view bytes) {
    while (!bytes.empty()) {
      const size_t room = kMaxPayloadBytes - pending_.size();
      const absl::string_view part = bytes.substr(0, room);
      pending_.append(part.data(), part.size());
      bytes.remove_prefix(part.size());
      if (pending_.size() == kMaxPayloadBytes) HIIF_RETURN_IF_ERROR(Send());
    }
    return absl::OkStatus();
  }

  absl::Status Send() {
    auto* chunk = response_.mutable_chunk();
    chunk->set_offset(offset_);
    chunk->set_crc32c(Crc32c(pending_));
    crc32c_ = Crc32c(pending_, crc32c_);
    offset_ += static_cast<int64_t>(pending_.size());
    chunk->set_data(std::move(pending_));
    pending_.clear();
    ++messages_;
    return stream_->Write(response_);
  }

  const Plan plan_;
  UpscaleStream* const stream_;
  StreamSink sink_;
  std::unique_ptr<ImageWriter> writer_;
  std::optional<TileAssembler> assembler_;
  std::string pending_;
  int64_t offset_ = 0;
  v1::UpscaleResponse response_;
};

}  // namespace

std::unique_ptr<Output> MakeTileOutput(const Plan& plan, UpscaleStream* stream) {
  return std::make_unique<TileOutput>(plan, stream);
}

absl::StatusOr<std::unique_ptr<Output>> MakeFileOutput(const Plan& plan, const Picture& picture,
                                                       bool strip, UpscaleStream* stream) {
  auto output = std::make_unique<FileOutput>(plan, stream);
  HIIF_RETURN_IF_ERROR(output->Start(picture, strip));
  return output;
}

}  // namespace hiif::server
