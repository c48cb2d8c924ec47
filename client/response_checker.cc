#include "client/response_checker.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/status_macros.h"

namespace hiif::client {
namespace {

constexpr int64_t kMaxScale = 32;
constexpr int64_t kMaxTileSize = 4096;
// A file is not larger than its samples by much, whatever the format.
constexpr int64_t kFileOverhead = int64_t{64} << 20;

absl::Status Broken(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the server's answer is damaged: ", what));
}

int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

int SampleBytes(v1::SampleType type) {
  switch (type) {
    case v1::SAMPLE_TYPE_U16:
      return 2;
    case v1::SAMPLE_TYPE_F32:
      return 4;
    default:
      return 1;
  }
}

absl::Status ResponseChecker::Order(bool header, bool encoded) const {
  if (has_trailer_) return Broken("it goes on after its trailer");
  if (has_header_ == header)
    return Broken(header ? "two headers" : "it does not begin with a header");
  if (!header && encoded != (header_.format() != v1::FILE_FORMAT_UNSPECIFIED))
    return Broken("tiles and chunks are mixed up");
  return absl::OkStatus();
}

absl::Status ResponseChecker::Header(const v1::UpscaleHeader& header) {
  HIIF_RETURN_IF_ERROR(Order(/*header=*/true, false));
  has_header_ = true;
  header_ = header;
  header_.clear_icc_profile();
  const v1::Region& region = header.region();
  if (header.output_width() < 1 || header.output_height() < 1 || region.x() < 0 || region.y() < 0 ||
      region.width() < 1 || region.height() < 1 || region.x() > header.output_width() ||
      region.y() > header.output_height() || region.width() > header.output_width() - region.x() ||
      region.height() > header.output_height() - region.y() || header.channels() < 1 ||
      header.channels() > 4)
    return Broken("a header without a valid size");
  if (asked_ != nullptr) HIIF_RETURN_IF_ERROR(AsAsked(header));
  if (header.format() != v1::FILE_FORMAT_UNSPECIFIED) return absl::OkStatus();
  const v1::TileGrid& grid = header.grid();
  if (grid.tile_size() < 1 || grid.tile_size() > kMaxTileSize ||
      grid.columns() != DivideUp(region.width(), grid.tile_size()) ||
      grid.rows() != DivideUp(region.height(), grid.tile_size()))
    return Broken("a header whose tiles do not cover the region");
  return absl::OkStatus();
}

// What memory and files are made for is no more than was asked for.
absl::Status ResponseChecker::AsAsked(const v1::UpscaleHeader& header) const {
  const auto fits = [](int64_t output, int64_t input, double factor) {
    return input >= 1 &&
           std::abs(static_cast<double>(output) - static_cast<double>(input) * factor) <= 1;
  };
  const int64_t width = header.output_width();
  const int64_t height = header.output_height();
  if (raw_ != nullptr &&
      (header.input_width() != raw_->width() || header.input_height() != raw_->height()))
    return Broken("another input than was sent");
  if (width > kMaxScale * header.input_width() + 1 ||
      height > kMaxScale * header.input_height() + 1)
    return Broken("an output of more than 32 times its input");
  const double ry = asked_->scale().ry() == 0 ? asked_->scale().rx() : asked_->scale().ry();
  if (asked_->has_scale() && !(fits(width, header.input_width(), asked_->scale().rx()) &&
                               fits(height, header.input_height(), ry)))
    return Broken("another factor than asked for");
  const v1::TargetSize& target = asked_->target();
  if ((target.width() > 0 && width != target.width()) ||
      (target.height() > 0 && height != target.height()))
    return Broken("another size than asked for");
  const v1::Region& region = header.region();
  const v1::Region& part = asked_->region();
  const bool same = asked_->has_region()
                        ? region.x() == part.x() && region.y() == part.y() &&
                              region.width() == part.width() && region.height() == part.height()
                        : region.width() == width && region.height() == height;
  if (!same) return Broken("another region than asked for");
  if (asked_->sample_type() != v1::SAMPLE_TYPE_UNSPECIFIED &&
      header.sample_type() != asked_->sample_type())
    return Broken("samples of another type than asked for");
  const v1::FileFormat format =
      asked_->has_encoded() ? asked_->encoded().format() : v1::FILE_FORMAT_UNSPECIFIED;
  if (header.format() != format) return Broken("another format than asked for");
  return absl::OkStatus();
}

absl::Status ResponseChecker::Tile(const v1::Tile& tile) {
  HIIF_RETURN_IF_ERROR(Order(/*header=*/false, /*encoded=*/false));
  if (asked_ != nullptr && asked_->validate_only()) return Broken("tiles of a validate_only");
  const v1::TileGrid& grid = header_.grid();
  const v1::Region& region = header_.region();
  if (tile.index() != next_ || next_ >= int64_t{grid.columns()} * grid.rows())
    return Broken(absl::StrFormat("tile %d came where %d was due", tile.index(), next_));
  const int64_t x = next_ % grid.columns() * grid.tile_size();
  const int64_t y = next_ / grid.columns() * grid.tile_size();
  if (tile.x() != region.x() + x || tile.y() != region.y() + y ||
      tile.width() != std::min<int64_t>(grid.tile_size(), region.width() - x) ||
      tile.height() != std::min<int64_t>(grid.tile_size(), region.height() - y))
    return Broken(absl::StrFormat("tile %d is not where the grid has it", next_));
  const int64_t bytes = int64_t{tile.width()} * tile.height() * header_.channels() *
                        SampleBytes(header_.sample_type());
  if (static_cast<int64_t>(tile.samples().size()) != bytes)
    return Broken(
        absl::StrFormat("tile %d has %d bytes, not %d", next_, tile.samples().size(), bytes));
  if (Crc32c(tile.samples()) != tile.crc32c())
    return Broken(absl::StrFormat("checksum of tile %d", next_));
  crc_ = Crc32c(tile.samples(), crc_);
  ++next_;
  ++messages_;
  return absl::OkStatus();
}

absl::Status ResponseChecker::Chunk(const v1::EncodedChunk& chunk) {
  HIIF_RETURN_IF_ERROR(Order(/*header=*/false, /*encoded=*/true));
  if (asked_ != nullptr && asked_->validate_only()) return Broken("chunks of a validate_only");
  if (chunk.offset() != offset_)
    return Broken(
        absl::StrFormat("bytes from %d on came where %d were due", chunk.offset(), offset_));
  const int64_t samples = header_.region().width() * header_.region().height() *
                          header_.channels() * SampleBytes(header_.sample_type());
  if (offset_ + static_cast<int64_t>(chunk.data().size()) > 2 * samples + kFileOverhead)
    return Broken("a file without an end");
  if (Crc32c(chunk.data()) != chunk.crc32c())
    return Broken(absl::StrFormat("checksum of the bytes from %d on", offset_));
  crc_ = Crc32c(chunk.data(), crc_);
  offset_ += static_cast<int64_t>(chunk.data().size());
  ++messages_;
  return absl::OkStatus();
}

absl::Status ResponseChecker::Trailer(const v1::UpscaleTrailer& trailer, bool validate_only) {
  HIIF_RETURN_IF_ERROR(Order(/*header=*/false, header_.format() != v1::FILE_FORMAT_UNSPECIFIED));
  has_trailer_ = true;
  if (trailer.messages_sent() != messages_)
    return Broken(absl::StrFormat("%d messages of %d came", messages_, trailer.messages_sent()));
  if (trailer.crc32c() != crc_) return Broken("checksum of the whole");
  const int64_t tiles = int64_t{header_.grid().columns()} * header_.grid().rows();
  if (!validate_only && header_.format() == v1::FILE_FORMAT_UNSPECIFIED && next_ != tiles)
    return Broken(absl::StrFormat("%d tiles of %d came", next_, tiles));
  return absl::OkStatus();
}

}  // namespace hiif::client
