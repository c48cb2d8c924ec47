#include "server/core/output.h"

#include <utility>

#include "base/digest.h"
#include "base/status_macros.h"

namespace hiif::server {

uint32_t Output::Count(absl::string_view payload) {
  crc32c_ = Crc32c(payload, crc32c_);
  ++messages_;
  return Crc32c(payload);
}

absl::Status TileOutput::AddTile(int64_t index, std::string samples) {
  const Region region = plan_.Tile(index);
  auto* tile = response_.mutable_tile();
  tile->set_index(index);
  tile->set_x(region.x);
  tile->set_y(region.y);
  tile->set_width(static_cast<int32_t>(region.width));
  tile->set_height(static_cast<int32_t>(region.height));
  tile->set_crc32c(Count(samples));
  tile->set_samples(std::move(samples));
  return stream_->Write(response_);
}

absl::Status ChunkOutput::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    const absl::string_view part = bytes.substr(0, kMaxPayloadBytes - pending_.size());
    pending_.append(part.data(), part.size());
    bytes.remove_prefix(part.size());
    if (pending_.size() == kMaxPayloadBytes) HIIF_RETURN_IF_ERROR(Send());
  }
  return absl::OkStatus();
}

absl::Status ChunkOutput::Finish() { return pending_.empty() ? absl::OkStatus() : Send(); }

absl::Status ChunkOutput::Send() {
  auto* chunk = response_.mutable_chunk();
  chunk->set_offset(offset_);
  chunk->set_crc32c(Count(pending_));
  offset_ += static_cast<int64_t>(pending_.size());
  chunk->set_data(std::move(pending_));
  pending_.clear();
  return stream_->Write(response_);
}

}  // namespace hiif::server
