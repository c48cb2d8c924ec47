// The file formats: names, extensions, and what each can hold.
#ifndef IMAGING_FORMAT_H_
#define IMAGING_FORMAT_H_

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"

namespace hiif {

enum class ImageFormat { kPng, kJpeg, kWebp, kTiff, kAvif, kHeic, kJxl, kGif, kPpm };
inline constexpr size_t kImageFormats = 9;

// Whether a table has a row a format, each with its `format`, in the order above: then the format
// is the index. For static_assert.
template <class Table>
constexpr bool InOrderOfFormats(const Table& table) {
  for (size_t i = 0; i < std::size(table); ++i)
    if (table[i].format != static_cast<ImageFormat>(i)) return false;
  return std::size(table) == kImageFormats;
}

// "PNG", "JPEG", "WebP", ...
absl::string_view FormatName(ImageFormat format);

// "png", "jpg", ...: the usual extension, without the dot.
absl::string_view FormatExtension(ImageFormat format);

// By the first bytes, as files say themselves; nullopt: none of the above.
std::optional<ImageFormat> SniffFormat(absl::string_view bytes);

// By the extension, in any case. InvalidArgument names those there are.
absl::StatusOr<ImageFormat> FormatFromPath(absl::string_view path);

// Whether this build reads or writes the format.
bool CanRead(ImageFormat format);
bool CanWrite(ImageFormat format);

// "PNG, JPEG, WebP, ...", for messages.
std::string ReadableFormats();
std::string WritableFormats();

// The type samples get in the format: u16 becomes u8 in JPEG, f32 becomes u16 in PNG.
SampleType StoredType(ImageFormat format, SampleType type);
// The channels that images of `channels` (1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha) get in it.
int StoredChannels(ImageFormat format, int channels);
// Whether its encoder takes the whole image at once, at the end: then that is where the time goes,
// and nothing is written before.
bool WrittenWhole(ImageFormat format);
// What to tell of samples of `type` that the format holds with fewer bits; nothing where it holds
// them.
std::vector<std::string> RoundingWarnings(ImageFormat format, SampleType type);

// Unimplemented where the format is not built in; InvalidArgument where it cannot hold an image of
// that size, naming the limit and a format that can.
absl::Status CheckWritable(ImageFormat format, Grid size);

}  // namespace hiif

#endif  // IMAGING_FORMAT_H_
