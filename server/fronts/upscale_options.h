// What an upscale asks for where a protocol has named texts: those of a URL, a form, or a tensor
// request, into the API's parameters.
#ifndef SERVER_FRONTS_UPSCALE_OPTIONS_H_
#define SERVER_FRONTS_UPSCALE_OPTIONS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "hiif/v1/super_resolution.pb.h"

namespace hiif::server {

// Names and values, in order.
using UpscaleFields = std::vector<std::pair<std::string, std::string>>;

struct UpscaleOptions {
  v1::UpscaleParameters parameters;  // encoded is absent: tiles
  absl::Duration timeout = absl::InfiniteDuration();
};

// fields: scale, or scale_x and scale_y, or width and height; format (png, jpeg, webp, tiff, avif;
// tiles, the default) and quality; region (x,y,width,height); timeout in seconds; and every plain
// member of UpscaleParameters by its name (resume_token in hexadecimal digits). InvalidArgument
// names the field: unknown, twice, or of another type.
absl::StatusOr<UpscaleOptions> ParseUpscaleOptions(const UpscaleFields& fields);

// Name of a format above by its media type, e.g. "png" for "image/png"; nullptr: none of them.
const char* FormatOfMediaType(absl::string_view media_type);
// "image/png"; FILE_FORMAT_UNSPECIFIED: that of tiles.
const char* MediaTypeOf(v1::FileFormat format);
// Media types that this build can write, PNG first; that of tiles is the last one.
std::vector<absl::string_view> WritableMediaTypes();

}  // namespace hiif::server

#endif  // SERVER_FRONTS_UPSCALE_OPTIONS_H_
