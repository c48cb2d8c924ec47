#include "client/output_buffer.h"

#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/response_checker.h"

namespace hiif::client {

absl::Status OutputBuffer::Begin(const v1::UpscaleHeader& header) {
  output_.header = header;
  output_.samples.clear();
  if (validate_only_ || header.format() != v1::FILE_FORMAT_UNSPECIFIED) return absl::OkStatus();
  // How large a file's picture is, the server alone says.
  const double bytes = static_cast<double>(header.region().width()) *
                       static_cast<double>(header.region().height()) * header.channels() *
                       SampleBytes(header.sample_type());
  try {
    if (bytes > static_cast<double>(output_.samples.max_size())) throw std::bad_alloc();
    output_.samples.resize(static_cast<size_t>(bytes));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("no memory for the output of %.0f bytes that the server announces", bytes));
  }
  return absl::OkStatus();
}

absl::Status OutputBuffer::Tile(const v1::Tile& tile) {
  const v1::UpscaleHeader& header = output_.header;
  const int64_t pixel = int64_t{header.channels()} * SampleBytes(header.sample_type());
  const int64_t row_bytes = tile.width() * pixel;
  for (int64_t row = 0; row < tile.height(); ++row) {
    const int64_t y = tile.y() - header.region().y() + row;
    const int64_t x = tile.x() - header.region().x();
    std::memcpy(output_.samples.data() + (y * header.region().width() + x) * pixel,
                tile.samples().data() + row * row_bytes, row_bytes);
  }
  return absl::OkStatus();
}

absl::Status OutputBuffer::Chunk(const v1::EncodedChunk& chunk) {
  output_.samples.append(chunk.data());
  return absl::OkStatus();
}

UpscaleOutput OutputBuffer::Take(v1::UpscaleTrailer trailer) {
  output_.trailer = std::move(trailer);
  return std::move(output_);
}

}  // namespace hiif::client
