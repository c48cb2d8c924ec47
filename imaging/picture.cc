#include "imaging/picture.h"

#include <cstring>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/picture_builder.h"

namespace hiif {

int64_t Picture::bytes() const {
  return static_cast<int64_t>(sizeof(*this) + (colour ? colour->samples.size() : 0) +
                              alpha.samples.size()) +
         Bytes(metadata);
}

absl::StatusOr<Picture> PictureFromSamples(Grid size, int channels, SampleType type,
                                           absl::string_view samples, bool clip) {
  if (size.width < 1 || size.height < 1 || size.width > kLargestSide || size.height > kLargestSide)
    return absl::InvalidArgumentError(
        absl::StrFormat("width, height: %d x %d is not a size", size.width, size.height));
  if (channels < 1 || channels > 4)
    return absl::InvalidArgumentError(
        absl::StrFormat("channels: %d; 1, 2, 3 or 4 is allowed", channels));
  const int64_t row_bytes = size.width * channels * SampleBytes(type);
  if (samples.size() % row_bytes != 0 || samples.size() / row_bytes != size.height)
    return absl::InvalidArgumentError(
        absl::StrFormat("samples: %d bytes; %d rows of %d bytes are needed", samples.size(),
                        size.height, row_bytes));
  PictureBuilder builder({.stored = size, .channels = channels, .type = type, .clip = clip});
  // Row by row through a buffer: the bytes of a message need not be aligned as samples are.
  std::vector<uint8_t> row(row_bytes);
  for (int64_t y = 0; y < size.height; ++y) {
    std::memcpy(row.data(), samples.data() + y * row_bytes, row_bytes);
    HIIF_RETURN_IF_ERROR(builder.AddRows(row.data(), 1));
  }
  return builder.Finish();
}

}  // namespace hiif
