// The file formats: names, extensions, and what each can hold.
#ifndef IMAGING_FORMAT_H_
#define IMAGING_FORMAT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"

namespace hiif {

enum class ImageFormat { kPng, kJpeg, kWebp, kTiff, kAvif, kHeic, kJxl, kGif, kPpm };

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

// Unimplemented where the format is not built in; InvalidArgument where it cannot hold an image of
// that size, naming the limit and a format that can.
absl::Status CheckWritable(ImageFormat format, Grid size);

}  // namespace hiif

#endif  // IMAGING_FORMAT_H_
